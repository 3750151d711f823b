#include "planish/base/error.h"

namespace planish {

Error::Error(ErrorCode code, std::string message)
    : code_(code),
      message_(std::move(message)),
      what_(std::string(row_of(code).name) + ": " + message_) {}

Error Error::with_context(std::string_view context) const {
  return Error(code_, std::string(context) + ": " + message_);
}

}  // namespace planish
