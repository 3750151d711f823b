// The one exception type of planish, its closed set of codes, and how context is added on the way
// up.
#pragma once

#include <array>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace planish {

/// Why an operation failed; a closed set that callers can act on.
enum class ErrorCode {
  kInvalidArgument,  ///< the caller's value is wrong: an option, a request, a label file
  kNotFound,         ///< a named file, model, version or tensor does not exist
  kAlreadyExists,    ///< the name to be created is taken
  kUnsupported,      ///< valid input that planish does not handle
  kCorrupt,          ///< input that is not valid at all: truncated, bit-flipped, wrong file type
  kExhausted,        ///< a limit was reached: queue, disk space, memory
  kUnavailable,      ///< a part that is needed is not there (yet)
  kDeadline,         ///< too late
  kCancelled,        ///< interrupted by the user
  kInternal,         ///< our bug
};

/// One row per code: the only place where a code meets a name, an HTTP status and an exit status.
struct ErrorCodeRow {
  ErrorCode code = ErrorCode::kInternal;
  std::string_view name = {};
  int http_status = 500;
  int exit_status = 70;
};

inline constexpr std::array kErrorCodes{
    ErrorCodeRow{ErrorCode::kInvalidArgument, "invalid argument", 400, 2},
    ErrorCodeRow{ErrorCode::kNotFound, "not found", 404, 3},
    ErrorCodeRow{ErrorCode::kAlreadyExists, "already exists", 409, 3},
    ErrorCodeRow{ErrorCode::kUnsupported, "unsupported", 422, 4},
    ErrorCodeRow{ErrorCode::kCorrupt, "corrupt", 422, 4},
    ErrorCodeRow{ErrorCode::kExhausted, "exhausted", 429, 5},
    ErrorCodeRow{ErrorCode::kUnavailable, "unavailable", 503, 5},
    ErrorCodeRow{ErrorCode::kDeadline, "deadline exceeded", 504, 5},
    ErrorCodeRow{ErrorCode::kCancelled, "cancelled", 499, 5},
    ErrorCodeRow{ErrorCode::kInternal, "internal error", 500, 70},
};

/// The row of `code`.
constexpr const ErrorCodeRow& row_of(ErrorCode code) {
  return kErrorCodes.at(static_cast<std::size_t>(code));
}

constexpr bool error_codes_are_in_order() {
  for (std::size_t i = 0; i < kErrorCodes.size(); ++i) {
    if (static_cast<std::size_t>(kErrorCodes.at(i).code) != i) return false;
  }
  return kErrorCodes.size() == static_cast<std::size_t>(ErrorCode::kInternal) + 1;
}
static_assert(error_codes_are_in_order(), "kErrorCodes: one row per ErrorCode, in enum order");

/// What was found, what was expected and what to do, with its kind.
///
/// Thrown by every module; caught only where a program, a request or a worker thread ends.
/// `what()` reads "<kind>: <context>: <message>", for example
/// "unsupported: model.onnx: node 'conv1': opset 6 < 11".
class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message);

  [[nodiscard]] ErrorCode code() const noexcept { return code_; }
  /// The message with its context, without the kind.
  [[nodiscard]] const std::string& message() const noexcept { return message_; }
  [[nodiscard]] const char* what() const noexcept override { return what_.c_str(); }

  /// The same error, its message preceded by "<context>: ".
  [[nodiscard]] Error with_context(std::string_view context) const;

 private:
  ErrorCode code_;
  std::string message_;
  std::string what_;
};

/// Runs `body`; an Error that leaves it carries `context` in front of its message.
template <typename Body>
decltype(auto) in_context(std::string_view context, Body&& body) {
  try {
    return std::forward<Body>(body)();
  } catch (const Error& error) {
    throw error.with_context(context);
  }
}

}  // namespace planish
