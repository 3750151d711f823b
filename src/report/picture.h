// An image inside an HTML page.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "planish/preprocess/preprocess.h"

namespace planish::report {

/// RFC 4648, with padding.
std::string base64(std::span<const std::byte> bytes);

/// "data:image/bmp;base64,…": every browser shows BMP, and it needs no compressor.
std::string data_uri(const Image& image);

}  // namespace planish::report
