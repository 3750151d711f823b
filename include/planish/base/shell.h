// Words of a shell, for commands that can be pasted.
#pragma once

#include <string>
#include <string_view>

namespace planish {

/// `text` as one word of a POSIX shell: as it is, or in quotes.
std::string shell_word(std::string_view text);

}  // namespace planish
