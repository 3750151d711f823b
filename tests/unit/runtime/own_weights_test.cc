#include "runtime/own_weights.h"

#include <gtest/gtest.h>

#include "planish/base/file.h"
#include "planish/onnx/onnx.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"

namespace planish {
namespace {

Model two_weights(const Tensor& first, const Tensor& second) {
  return test::GraphBuilder()
      .input("x", DType::kFloat32, {"n", 32})
      .initializer("first", first)
      .initializer("second", second)
      .node("MatMul", {"x", "first"}, {"h"})
      .node("MatMul", {"h", "second"}, {"y"})
      .output("y", DType::kFloat32, {"n", 32})
      .model();
}

TEST(OwnWeights, ShareWhatIsUnchangedAndLeaveTheFile) {
  const Tensor kept = test::random_tensor({32, 32}, 1);
  const Tensor changed = test::random_tensor({32, 32}, 2);
  const Model original = two_weights(kept, test::random_tensor({32, 32}, 3));
  Model model;
  {
    const TemporaryFolder folder;
    save_model(two_weights(kept, changed), folder.path() / "model.onnx",
               {.max_inline_bytes = 0, .min_external_bytes = 0});
    model = load_model(folder.path() / "model.onnx");
  }
  const auto* const mapped = model.graph.initializers[1].value.bytes().data();
  own_weights(model, original);
  const auto& weights = model.graph.initializers;
  EXPECT_EQ(weights[0].value.bytes().data(), original.graph.initializers[0].value.bytes().data());
  EXPECT_NE(weights[1].value.bytes().data(), mapped);
  EXPECT_EQ(weights[1].value, changed);
}

}  // namespace
}  // namespace planish
