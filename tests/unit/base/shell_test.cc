#include "planish/base/shell.h"

#include <gtest/gtest.h>

namespace planish {
namespace {

TEST(ShellWord, LeavesPlainWordsAndQuotesOthers) {
  EXPECT_EQ(shell_word("models/net-1.onnx"), "models/net-1.onnx");
  EXPECT_EQ(shell_word("my photos"), "'my photos'");
  EXPECT_EQ(shell_word("it's; $(rm)"), "'it'\\''s; $(rm)'");
  EXPECT_EQ(shell_word(""), "''");
}

}  // namespace
}  // namespace planish
