#include "planish/runtime/probe.h"

#include <gtest/gtest.h>

#include "planish/base/error.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"
#include "support/throws.h"

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

TEST(RequireLoadable, AcceptsWhatASessionAcceptsAndNamesWhatItDoesNot) {
  const auto of = [](const char* op_type) {
    return test::GraphBuilder()
        .input("x", DType::kFloat32, {"n"})
        .node(op_type, {"x"}, {"y"})
        .output("y", DType::kFloat32, {"n"})
        .model();
  };
  require_loadable(of("Relu"));
  EXPECT_TRUE(test::throws(ErrorCode::kUnsupported, [&] { require_loadable(of("Nonesuch")); }));
}

}  // namespace
}  // namespace planish
