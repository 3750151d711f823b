// The page at /: what a person looks at first.
#pragma once

#include <string_view>

namespace planish::serve {

/// One file of HTML, without anything from elsewhere. It reads /status.json; on the admin port it
/// has buttons.
extern const std::string_view kStatusPage;

}  // namespace planish::serve
