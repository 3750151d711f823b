#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <string>
#include <utility>

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/json.h"
#include "planish/preprocess/preprocess.h"

namespace planish {
namespace {

using Resize = PreprocessSpec::Resize;
using Color = PreprocessSpec::Color;
using Layout = PreprocessSpec::Layout;

constexpr std::int64_t kMaxSide = 8192;  // of a resize or a crop; models take a tenth of it
constexpr std::size_t kMaxSpecBytes = std::size_t{1} << 20;

/// A choice and its name in JSON.
template <typename T>
struct Named {
  T value;
  std::string_view name;
};
constexpr std::array kFilters{
    Named<ResizeFilter>{ResizeFilter::kNearest, "nearest"},
    Named<ResizeFilter>{ResizeFilter::kBilinear, "bilinear"},
    Named<ResizeFilter>{ResizeFilter::kBicubic, "bicubic"},
    Named<ResizeFilter>{ResizeFilter::kLanczos, "lanczos"},
};
constexpr std::array kColors{Named<Color>{Color::kRgb, "rgb"}, Named<Color>{Color::kBgr, "bgr"},
                             Named<Color>{Color::kGray, "gray"}};
constexpr std::array kLayouts{Named<Layout>{Layout::kNchw, "nchw"},
                              Named<Layout>{Layout::kNhwc, "nhwc"}};
constexpr std::array kElementTypes{Named<DType>{DType::kFloat32, "float32"},
                                   Named<DType>{DType::kUInt8, "uint8"},
                                   Named<DType>{DType::kFloat16, "float16"}};

template <typename T, std::size_t N>
std::string name_in(const std::array<Named<T>, N>& table, T value) {
  const auto row =
      std::find_if(table.begin(), table.end(), [&](const auto& r) { return r.value == value; });
  return row == table.end() ? "an unknown value" : std::string(row->name);
}

[[noreturn]] void refuse(std::string_view member, const std::string& found,
                         const std::string& expected) {
  throw Error(ErrorCode::kInvalidArgument,
              "'" + std::string(member) + "' is " + found + "; expected " + expected);
}

/// A value for an error message: short, and valid whatever bytes a string holds.
std::string shown(const Json& value) {
  std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 60) + "...";
  return text;
}

/// The member `key`, or `fallback` when it is absent.
template <typename T, std::size_t N>
T choice(const Json& object, std::string_view key, const std::array<Named<T>, N>& table,
         T fallback) {
  if (!object.contains(key)) return fallback;
  const std::string name = json_get<std::string>(object, key);
  const auto row =
      std::find_if(table.begin(), table.end(), [&](const auto& r) { return r.name == name; });
  if (row != table.end()) return row->value;
  std::string known;
  for (const auto& r : table) known += (known.empty() ? "" : ", ") + std::string(r.name);
  refuse(key, "'" + name + "'", "one of " + known);
}

std::int64_t side_from(const Json& value, std::string_view member) {
  // A float or an unsigned integer beyond 63 bits is no side either way.
  if (!value.is_number_integer() ||
      (value.is_number_unsigned() && value.get<std::uint64_t>() > kMaxSide)) {
    refuse(member, shown(value), "a number of pixels from 1 to " + std::to_string(kMaxSide));
  }
  return value.get<std::int64_t>();
}

std::optional<std::int64_t> optional_side(const Json& object, std::string_view key) {
  if (!object.contains(key)) return std::nullopt;
  return side_from(object[key], key);
}

std::optional<Resize> resize_from(const Json& spec) {
  if (!spec.contains("resize")) return std::nullopt;
  return in_context("resize", [&] {
    const Json& json = spec["resize"];
    require_known_keys(json, {"shorter", "height", "width", "filter"});
    return Resize{.shorter = optional_side(json, "shorter"),
                  .height = optional_side(json, "height"),
                  .width = optional_side(json, "width"),
                  .filter = choice(json, "filter", kFilters, Resize{}.filter)};
  });
}

std::optional<std::array<std::int64_t, 2>> crop_from(const Json& spec) {
  if (!spec.contains("crop")) return std::nullopt;
  const Json& json = spec["crop"];
  if (!json.is_array() || json.size() != 2) refuse("crop", shown(json), "[height, width]");
  return std::array{side_from(json[0], "crop"), side_from(json[1], "crop")};
}

std::vector<double> numbers_from(const Json& spec, std::string_view key) {
  if (!spec.contains(key)) return {};
  const Json& json = spec[key];
  const bool numbers = json.is_array() && std::all_of(json.begin(), json.end(),
                                                      [](const Json& v) { return v.is_number(); });
  if (!numbers) refuse(key, shown(json), "an array of numbers, one per channel");
  return json.get<std::vector<double>>();
}

void check_side(std::int64_t side, std::string_view member) {
  if (side >= 1 && side <= kMaxSide) return;
  refuse(member, std::to_string(side), "a number of pixels from 1 to " + std::to_string(kMaxSide));
}

void check_resize(const Resize& resize) {
  const bool both = resize.height && resize.width;
  const bool none = !resize.height && !resize.width;
  if (resize.shorter ? !none : !both) {
    throw Error(ErrorCode::kInvalidArgument, "expected either 'shorter', or 'height' and 'width'");
  }
  for (const auto& [side, name] :
       {std::pair{resize.shorter, "shorter"}, std::pair{resize.height, "height"},
        std::pair{resize.width, "width"}}) {
    if (side) check_side(*side, name);
  }
}

void check_channels(const std::vector<double>& values, std::string_view member,
                    const PreprocessSpec& spec) {
  const auto channels = static_cast<std::size_t>(channels_of(spec));
  if (!values.empty() && values.size() != channels) {
    refuse(member, "an array of " + std::to_string(values.size()),
           "one number per channel: " + std::to_string(channels) + " for color " +
               name_in(kColors, spec.color));
  }
  const bool finite =
      std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
  if (!finite) refuse(member, "infinite or not a number", "finite numbers");
}

/// Every value is linear in the pixel, so the ends of its range tell of all.
void check_range(const PreprocessSpec& spec) {
  const double largest =
      spec.dtype == DType::kFloat16 ? 65504.0 : std::numeric_limits<float>::max();
  const auto channels = static_cast<std::size_t>(channels_of(spec));
  for (std::size_t c = 0; c < channels; ++c) {
    const double mean = spec.mean.empty() ? 0.0 : spec.mean[c];
    const double deviation = spec.std.empty() ? 1.0 : spec.std[c];
    for (const double pixel : {0.0, 255.0}) {
      const double value = (pixel * spec.scale - mean) / deviation;
      if (std::abs(value) <= largest) continue;  // false for NaN too
      refuse("scale", std::to_string(spec.scale),
             "values that fit " + name_in(kElementTypes, spec.dtype));
    }
  }
}

/// Pixels go through unchanged.
bool is_plain(const PreprocessSpec& spec) {
  const auto all = [](const std::vector<double>& values, double wanted) {
    return std::all_of(values.begin(), values.end(), [&](double v) { return v == wanted; });
  };
  return spec.scale == 1.0 && all(spec.mean, 0.0) && all(spec.std, 1.0);
}

struct Preset {
  std::string_view name;
  PreprocessSpec (*make)();
};

/// torchvision's reference for ImageNet.
PreprocessSpec imagenet() {
  return {.resize = Resize{.shorter = 256},
          .crop = {{224, 224}},
          .scale = 1.0 / 255.0,
          .mean = {0.485, 0.456, 0.406},
          .std = {0.229, 0.224, 0.225}};
}

/// Keras' mode "tf" (MobileNet, Inception): [-1, 1], channels last.
PreprocessSpec tf() {
  return {.resize = Resize{.shorter = 256},
          .crop = {{224, 224}},
          .scale = 1.0 / 127.5,
          .mean = {1.0, 1.0, 1.0},
          .layout = Layout::kNhwc};
}

PreprocessSpec none() { return {}; }

constexpr std::array kPresets{Preset{"imagenet", imagenet}, Preset{"tf", tf}, Preset{"none", none}};

}  // namespace

std::vector<std::string_view> preprocess_presets() {
  std::vector<std::string_view> names;
  for (const Preset& preset : kPresets) names.push_back(preset.name);
  return names;
}

void validate(const PreprocessSpec& spec) {
  if (spec.resize) in_context("resize", [&] { check_resize(*spec.resize); });
  if (spec.crop) {
    for (const std::int64_t side : *spec.crop) check_side(side, "crop");
  }
  if (!std::isfinite(spec.scale) || spec.scale == 0.0) {
    refuse("scale", std::to_string(spec.scale), "a finite number other than 0");
  }
  check_channels(spec.mean, "mean", spec);
  check_channels(spec.std, "std", spec);
  if (std::find(spec.std.begin(), spec.std.end(), 0.0) != spec.std.end()) {
    refuse("std", "0 in a channel", "numbers other than 0: values are divided by them");
  }
  const std::string dtype = name_in(kElementTypes, spec.dtype);
  if (dtype == "an unknown value")
    refuse("dtype", std::string(name_of(spec.dtype)), "float32, uint8 or float16");
  check_range(spec);
  if (spec.dtype == DType::kUInt8 && !is_plain(spec)) {
    refuse("dtype", "uint8", "float32 or float16 where scale, mean or std change the pixels");
  }
}

PreprocessSpec parse_preprocess_spec(const Json& json) {
  require_known_keys(json, {"resize", "crop", "color", "scale", "mean", "std", "layout", "dtype"});
  const PreprocessSpec defaults;
  PreprocessSpec spec{
      .resize = resize_from(json),
      .crop = crop_from(json),
      .color = choice(json, "color", kColors, defaults.color),
      .scale = json.contains("scale") ? json_get<double>(json, "scale") : defaults.scale,
      .mean = numbers_from(json, "mean"),
      .std = numbers_from(json, "std"),
      .layout = choice(json, "layout", kLayouts, defaults.layout),
      .dtype = choice(json, "dtype", kElementTypes, defaults.dtype),
  };
  validate(spec);
  return spec;
}

Json to_json(const PreprocessSpec& spec) {
  Json json = Json::object();
  if (spec.resize) {
    Json resize = Json::object();
    if (spec.resize->shorter) resize["shorter"] = *spec.resize->shorter;
    if (spec.resize->height) resize["height"] = *spec.resize->height;
    if (spec.resize->width) resize["width"] = *spec.resize->width;
    resize["filter"] = name_in(kFilters, spec.resize->filter);
    json["resize"] = std::move(resize);
  }
  if (spec.crop) json["crop"] = *spec.crop;
  json["color"] = name_in(kColors, spec.color);
  json["scale"] = spec.scale;
  if (!spec.mean.empty()) json["mean"] = spec.mean;
  if (!spec.std.empty()) json["std"] = spec.std;
  json["layout"] = name_in(kLayouts, spec.layout);
  json["dtype"] = name_in(kElementTypes, spec.dtype);
  return json;
}

PreprocessSpec load_preprocess_spec(std::string_view preset_or_path) {
  std::string names;
  for (const Preset& preset : kPresets) {
    if (preset.name == preset_or_path) return preset.make();
    names += (names.empty() ? "" : ", ") + std::string(preset.name);
  }
  const std::filesystem::path path(preset_or_path);
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    throw Error(ErrorCode::kNotFound,
                "'" + path.string() + "' is neither a preset (" + names + ") nor a file");
  }
  const std::string text = read_file(path, kMaxSpecBytes);
  return in_context(path.string(), [&] { return parse_preprocess_spec(parse_json(text)); });
}

}  // namespace planish
