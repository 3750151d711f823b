// Milliseconds per image from the encoded file in memory to the model's input tensor, on one
// thread:
//   preprocess_bench FOLDER [SPEC] [ROUNDS]
// SPEC is a preset or a file (default imagenet). Prints the fastest and the median round.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/preprocess/preprocess.h"

namespace {

std::vector<std::string> read_images(const std::filesystem::path& folder) {
  std::vector<std::string> images;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::string bytes = planish::read_file(entry.path());
    if (planish::image_format_of(std::as_bytes(std::span(bytes))))
      images.push_back(std::move(bytes));
  }
  return images;
}

double milliseconds_per_image(const std::vector<std::string>& images,
                              const planish::PreprocessSpec& spec) {
  const auto start = std::chrono::steady_clock::now();
  for (const std::string& image : images) {
    planish::preprocess_encoded(std::as_bytes(std::span(image)), spec);
  }
  const std::chrono::duration<double, std::milli> elapsed =
      std::chrono::steady_clock::now() - start;
  return elapsed.count() / static_cast<double>(images.size());
}

int run(const std::vector<std::string>& arguments) {
  if (arguments.empty()) {
    std::fprintf(stderr, "usage: preprocess_bench FOLDER [SPEC] [ROUNDS]\n");
    return 2;
  }
  const auto spec = planish::load_preprocess_spec(arguments.size() > 1 ? arguments[1] : "imagenet");
  const int rounds = arguments.size() > 2 ? std::max(1, std::atoi(arguments[2].c_str())) : 5;
  const std::vector<std::string> images = read_images(arguments[0]);
  if (images.empty()) {
    std::fprintf(stderr, "%s: no JPEG or PNG image\n", arguments[0].c_str());
    return 3;
  }
  std::vector<double> times;
  for (int i = 0; i < rounds; ++i) times.push_back(milliseconds_per_image(images, spec));
  std::sort(times.begin(), times.end());
  std::printf("images %zu, ms per image: min %.3f, median %.3f\n", images.size(), times.front(),
              times[times.size() / 2]);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const planish::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return planish::row_of(error.code()).exit_status;
  }
}
