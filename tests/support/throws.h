// Errors as tests expect them.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "planish/base/error.h"

namespace planish::test {

/// Passes when `body` throws an Error of `code` whose message contains every one of `parts`:
///   EXPECT_TRUE(throws(ErrorCode::kNotFound, [&] { load_model(path); }, {"model.onnx"}));
template <typename Body>
testing::AssertionResult throws(ErrorCode code, Body&& body,
                                std::initializer_list<std::string_view> parts = {}) {
  try {
    std::forward<Body>(body)();
  } catch (const Error& error) {
    if (error.code() != code) {
      return testing::AssertionFailure()
             << "expected \"" << row_of(code).name << "\", got \"" << error.what() << "\"";
    }
    for (const std::string_view part : parts) {
      if (error.message().find(part) == std::string::npos) {
        return testing::AssertionFailure()
               << "expected \"" << part << "\" in \"" << error.what() << "\"";
      }
    }
    return testing::AssertionSuccess() << error.what();
  }
  return testing::AssertionFailure() << "nothing was thrown; expected " << row_of(code).name;
}

}  // namespace planish::test
