#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "pass_testing.h"
#include "planish/base/file.h"
#include "support/graph_builder.h"
#include "support/paths.h"

namespace planish::test {
namespace {

TEST(Passes, ReportUnderTheNameOfTheirRow) {
  for (const Pass& pass : kPasses) {
    Model model = GraphBuilder().model();
    EXPECT_EQ(pass.run(model, {}).pass, pass.name);
    EXPECT_EQ(find_pass(pass.name), &pass);
  }
  EXPECT_EQ(find_pass("no such pass"), nullptr);
}

TEST(Passes, TableInTheDocumentationIsTheOneInTheCode) {
  const auto path = source_folder() / "docs" / "prepare.md";
  EXPECT_THAT(read_file(path), ::testing::HasSubstr(passes_as_markdown()))
      << "docs/prepare.md should hold:\n"
      << passes_as_markdown();
}

}  // namespace
}  // namespace planish::test
