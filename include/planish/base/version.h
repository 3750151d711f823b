// The version of planish: of its command, its library and the files that it writes.
#pragma once

#include <string_view>

namespace planish {

inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace planish
