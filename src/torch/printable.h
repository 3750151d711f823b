// Names from archives, as errors show them.
#pragma once

#include <string>
#include <string_view>

namespace planish::torch {

/// Whether the text has no control characters: no line break, no NUL, no escape of a terminal.
bool is_printable(std::string_view text);

/// The name of a tensor, parameter or size as the model will have it.
/// @throws Error(kCorrupt) when it is empty or has control characters.
std::string checked_name(std::string name);

/// At most 200 bytes of the text, with control characters as \\x1b.
std::string printable(std::string_view text);

}  // namespace planish::torch
