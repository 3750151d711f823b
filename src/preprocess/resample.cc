#include "preprocess/resample.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "planish/base/error.h"
#include "preprocess/codec.h"
#include "preprocess/convolve.h"
#include "preprocess/filter_taps.h"

namespace planish {
namespace detail {
namespace {

/// Memory for an intermediate or final image is bounded as that of a decoded one.
Image new_image(std::int64_t height, std::int64_t width, std::int64_t channels) {
  check_size(width, height, ImageLimits{});
  return blank_image(height, width, channels);
}

/// The pixel at `row` and `column`.
std::uint8_t* at(Image& image, std::int64_t row, std::int64_t column = 0) {
  return image.pixels.data() + (row * image.width + column) * image.channels;
}
const std::uint8_t* at(const Image& image, std::int64_t row, std::int64_t column = 0) {
  return image.pixels.data() + (row * image.width + column) * image.channels;
}

std::size_t row_bytes(const Image& image) {
  return static_cast<std::size_t>(image.width * image.channels);
}

Image cut(const Image& image, const Window& window) {
  if (window.rows.size == image.height && window.columns.size == image.width) return image;
  Image result = new_image(window.rows.size, window.columns.size, image.channels);
  for (std::int64_t row = 0; row < result.height; ++row) {
    std::copy_n(at(image, window.rows.begin + row, window.columns.begin), row_bytes(result),
                at(result, row));
  }
  return result;
}

Image take_nearest(const Image& image, std::int64_t height, std::int64_t width,
                   const Window& window) {
  Image result = new_image(window.rows.size, window.columns.size, image.channels);
  const auto rows = nearest_inputs(image.height, height, window.rows);
  const auto columns = nearest_inputs(image.width, width, window.columns);
  std::uint8_t* out = result.pixels.data();
  for (const std::int64_t row : rows) {
    for (const std::int64_t column : columns) {
      out = std::copy_n(at(image, row, column), image.channels, out);
    }
  }
  return result;
}

/// Rows `rows` of `image`, their width resampled. The taps' inputs begin at `first_column`.
Image resample_rows(const Image& image, const Interval& rows, std::int64_t first_column,
                    const FilterTaps& taps) {
  Image result = new_image(rows.size, std::ssize(taps.spans), image.channels);
  convolve_rows(taps, image.channels, static_cast<std::size_t>(rows.size),
                {at(image, rows.begin, first_column), row_bytes(image)},
                {result.pixels.data(), row_bytes(result)});
  return result;
}

/// Columns `columns` of `image`, their height resampled. The taps' inputs begin at `first_row`.
Image resample_columns(const Image& image, const Interval& columns, std::int64_t first_row,
                       const FilterTaps& taps) {
  Image result = new_image(std::ssize(taps.spans), columns.size, image.channels);
  for (std::int64_t row = 0; row < result.height; ++row) {
    const auto i = static_cast<std::size_t>(row);
    weighted_sum_of_rows(
        {at(image, first_row + taps.spans[i].first, columns.begin), row_bytes(image)}, taps.of(i),
        {at(result, row), row_bytes(result)});
  }
  return result;
}

/// Pillow 13 saves work on images that lose much height. It shows in the result: each pass rounds.
bool height_goes_first(const Image& image, std::int64_t height, std::int64_t width) {
  return height < image.height && image.height - height > 2 * (image.width - width);
}

}  // namespace

Image resize_window(const Image& image, std::int64_t height, std::int64_t width,
                    ResizeFilter filter, const Window& window) {
  if (height == image.height && width == image.width) return cut(image, window);
  if (filter == ResizeFilter::kNearest) return take_nearest(image, height, width, window);
  // A pass that would change nothing is left out: its taps would be exact, but cost time.
  if (height == image.height) {
    const FilterTaps horizontal = filter_taps(image.width, width, window.columns, filter);
    return resample_rows(image, window.rows, horizontal.inputs.begin, horizontal);
  }
  const FilterTaps vertical = filter_taps(image.height, height, window.rows, filter);
  if (width == image.width) {
    return resample_columns(image, window.columns, vertical.inputs.begin, vertical);
  }
  const FilterTaps horizontal = filter_taps(image.width, width, window.columns, filter);
  if (height_goes_first(image, height, width)) {
    const Image low = resample_columns(image, horizontal.inputs, vertical.inputs.begin, vertical);
    return resample_rows(low, {0, low.height}, 0, horizontal);
  }
  const Image narrow = resample_rows(image, vertical.inputs, horizontal.inputs.begin, horizontal);
  return resample_columns(narrow, {0, narrow.width}, 0, vertical);
}

}  // namespace detail

Image resize(const Image& image, std::int64_t height, std::int64_t width, ResizeFilter filter) {
  detail::check_image(image);
  if (height < 1 || width < 1) {
    throw Error(ErrorCode::kInvalidArgument, "resize to " + std::to_string(width) + "x" +
                                                 std::to_string(height) +
                                                 "; expected sides of 1 or more");
  }
  detail::check_size(width, height, ImageLimits{});
  return detail::resize_window(image, height, width, filter,
                               {.rows = {0, height}, .columns = {0, width}});
}

}  // namespace planish
