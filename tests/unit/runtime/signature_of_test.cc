#include "planish/runtime/signature_of.h"

#include <gtest/gtest.h>

#include "support/graph_builder.h"
#include "support/random_tensor.h"

namespace planish {
namespace {

TEST(SignatureOf, IsTheSignatureOfASession) {
  const Model model = test::GraphBuilder()
                          .input("x", DType::kFloat32, {"batch", 48})
                          .input("mask", DType::kInt64, {"batch"})
                          .initializer("w", test::random_tensor({48, 16}, 1))
                          .node("MatMul", {"x", "w"}, {"y"})
                          .node("Cast", {"mask"}, {"flags"}, {{"to", std::int64_t{9}}})
                          .output("y", DType::kFloat32, {"batch", 16})
                          .output("flags", DType::kBool, {"batch"})
                          .model();
  const Signature found = signature_of(model);
  const auto session = open_session(model);
  EXPECT_EQ(found.inputs, session->signature().inputs);
  EXPECT_EQ(found.outputs, session->signature().outputs);
}

}  // namespace
}  // namespace planish
