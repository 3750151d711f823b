#include "planish/quantize/op_rules.h"

#include <gtest/gtest.h>

#include "planish/base/file.h"
#include "support/paths.h"

namespace planish {
namespace {

TEST(OpRules, DocumentationIsTheTable) {
  EXPECT_EQ(read_file(test::source_folder() / "docs/operators.md"), op_rules_markdown())
      << "write op_rules_markdown() to docs/operators.md";
}

TEST(OpRules, EveryRowIsFoundByItsName) {
  for (const OpRule& rule : kOpRules) EXPECT_EQ(find_op_rule(rule.op_type), &rule);
  EXPECT_EQ(find_op_rule("Erf"), nullptr);
  EXPECT_EQ(find_op_rule(""), nullptr);
}

TEST(OpRules, EveryRowSaysWhyAndHasAForm) {
  for (const OpRule& rule : kOpRules) {
    EXPECT_FALSE(rule.why.empty()) << rule.op_type;
    EXPECT_TRUE(is_static_by_default(rule) || rule.dynamic != DynamicRule::kNone ||
                rule.best != BestUse::kLeave)
        << rule.op_type;
  }
}

TEST(OpRules, DefaultsAreThoseOfThePythonQuantizer) {
  std::size_t in_static = 0;
  std::size_t in_dynamic = 0;
  for (const OpRule& rule : kOpRules) {
    in_static += is_static_by_default(rule) ? 1U : 0U;
    in_dynamic += is_dynamic_by_default(rule) ? 1U : 0U;
  }
  EXPECT_EQ(in_static, 34U);  // the union of its two static registries
  EXPECT_EQ(in_dynamic, 7U);
}

}  // namespace
}  // namespace planish
