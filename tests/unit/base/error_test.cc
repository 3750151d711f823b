#include "planish/base/error.h"

#include <gtest/gtest.h>

#include <set>
#include <stdexcept>

#include "support/throws.h"

namespace planish::test {
namespace {

TEST(ErrorCodes, HaveTheExitStatusesThatTheCommandPromises) {
  EXPECT_EQ(row_of(ErrorCode::kInvalidArgument).exit_status, 2);
  EXPECT_EQ(row_of(ErrorCode::kNotFound).exit_status, 3);
  EXPECT_EQ(row_of(ErrorCode::kAlreadyExists).exit_status, 3);
  EXPECT_EQ(row_of(ErrorCode::kUnsupported).exit_status, 4);
  EXPECT_EQ(row_of(ErrorCode::kCorrupt).exit_status, 4);
  EXPECT_EQ(row_of(ErrorCode::kUnavailable).exit_status, 5);
  EXPECT_EQ(row_of(ErrorCode::kInternal).exit_status, 70);
}

TEST(ErrorCodes, AreNamedEachByItselfAndNeverSucceed) {
  std::set<std::string_view> names;
  for (const ErrorCodeRow& row : kErrorCodes) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_GE(row.http_status, 400) << row.name;
    EXPECT_LT(row.http_status, 600) << row.name;
    EXPECT_GT(row.exit_status, 1) << row.name;  // 1: a stated threshold failed
  }
}

TEST(Error, SaysItsKindAndItsMessage) {
  const Error error(ErrorCode::kUnsupported, "opset 6 < 11");
  EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  EXPECT_EQ(error.message(), "opset 6 < 11");
  EXPECT_STREQ(error.what(), "unsupported: opset 6 < 11");
}

TEST(InContext, PutsEachLevelInFront) {
  try {
    in_context("model.onnx", [] {
      in_context("node 'conv1'", [] { throw Error(ErrorCode::kUnsupported, "opset 6 < 11"); });
    });
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "unsupported: model.onnx: node 'conv1': opset 6 < 11");
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  }
}

TEST(InContext, ReturnsWhatTheBodyReturnsAlsoReferences) {
  int number = 1;
  EXPECT_EQ(in_context("c", [] { return 5; }), 5);
  EXPECT_EQ(&in_context("c", [&]() -> int& { return number; }), &number);
}

TEST(InContext, LeavesOtherExceptionsAlone) {
  EXPECT_THROW(in_context("c", [] { throw std::logic_error("bug"); }), std::logic_error);
}

}  // namespace
}  // namespace planish::test
