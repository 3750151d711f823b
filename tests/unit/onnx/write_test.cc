// save_model, serialize_model and digest_of.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "onnx_schema.h"
#include "planish/base/file.h"
#include "planish/base/hash.h"
#include "planish/onnx/onnx.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"
#include "support/throws.h"

namespace planish::test {
namespace {

namespace fs = std::filesystem;

/// Two large weights, a small one, and one inside a Constant.
Model model_with_weights(std::uint64_t seed = 1) {
  return GraphBuilder()
      .initializer("small", random_tensor({3}, seed))
      .initializer("first", random_tensor({33, 31}, seed + 1))
      .initializer("second", random_bits(DType::kInt8, {5000}, seed + 2))
      .node("Constant", {}, {"c"}, {{"value", Box(Initializer{.value = Tensor::scalar(2.0F)})}})
      .untyped_output("c")
      .model();
}

// Every model of these tests has more weights than this.
const WriteConfig kAlwaysExternal{.max_inline_bytes = 100};

std::size_t files_in(const fs::path& folder) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(SaveModel, KeepsWeightsInOneFileUpToTheLimit) {
  const TemporaryFolder folder;
  save_model(model_with_weights(), folder.path() / "m.onnx");
  EXPECT_EQ(files_in(folder.path()), 1U);
  EXPECT_EQ(read_file(folder.path() / "m.onnx"), serialize_model(model_with_weights()));
}

TEST(SaveModel, PutsLargeWeightsBesideTheFileBeyondTheLimit) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "m.onnx";
  save_model(model_with_weights(), path, kAlwaysExternal);
  EXPECT_EQ(files_in(folder.path()), 2U);
  EXPECT_TRUE(load_model(path) == model_with_weights());
  EXPECT_LT(fs::file_size(path), 1000U);
  // The second weight starts at the page after the first one's end.
  EXPECT_EQ(fs::file_size(folder.path() / "m.onnx.data"), 4096U + 5000U);
}

TEST(SaveModel, MayOverwriteTheFilesThatTheModelIsMappedFrom) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "m.onnx";
  save_model(model_with_weights(), path, kAlwaysExternal);
  Model model = load_model(path);
  std::swap(model.graph.initializers[1], model.graph.initializers[2]);
  save_model(model, path, kAlwaysExternal);
  EXPECT_TRUE(load_model(path) == model);  // `model` still views the old file
  EXPECT_TRUE(model.graph.initializers[2].value ==
              model_with_weights().graph.initializers[1].value);
}

TEST(SaveModel, LeavesTheOldFilesWhenItCannotWrite) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "m.onnx";
  save_model(model_with_weights(1), path, kAlwaysExternal);
  fs::create_directory(folder.path() / "n.onnx");  // no file can take this place
  EXPECT_ANY_THROW(save_model(model_with_weights(2), folder.path() / "n.onnx"));
  Model broken = model_with_weights(3);
  broken.opaque = "\xff";
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument,
                     [&] { save_model(broken, path, kAlwaysExternal); }, {"opaque"}));
  EXPECT_TRUE(load_model(path) == model_with_weights(1));
  EXPECT_EQ(files_in(folder.path()), 3U);  // nothing temporary is left
}

TEST(SaveModel, SaysThatTheFolderDoesNotExist) {
  EXPECT_TRUE(throws(ErrorCode::kNotFound,
                     [] { save_model(model_with_weights(), "/nowhere/m.onnx"); },
                     {"/nowhere/m.onnx"}));
}

TEST(SaveModel, LeavesOutWhereAFileOnceHadItsData) {
  // A tensor with stale entries: its data is inside, whatever they say.
  const TemporaryFolder folder;
  const Model model = parse_model(graph_model_bytes(
      "initializer { name: 'w' data_type: 2 dims: 2000 raw_data: '" + std::string(2000, 'x') +
      "' external_data { key: 'location' value: 'stale.bin' } }"));
  save_model(model, folder.path() / "m.onnx", kAlwaysExternal);
  EXPECT_TRUE(load_model(folder.path() / "m.onnx").graph.initializers.at(0).value ==
              model.graph.initializers.at(0).value);
}

TEST(SerializeDetached, LeavesLargeWeightsThatAreReadOutAndNamesThem) {
  const Model model = GraphBuilder()
                          .initializer("small", random_tensor({3}, 1))
                          .initializer("first", random_tensor({33, 31}, 2))
                          .initializer("second", random_bits(DType::kInt8, {5000}, 3))
                          .initializer("unread", random_tensor({64}, 4))
                          .node("Identity", {"first"}, {"a"})
                          .node("Identity", {"second"}, {"b"})
                          .untyped_output("a")
                          .untyped_output("b")
                          .model();
  const DetachedModel detached = serialize_detached(model, 256);
  ASSERT_EQ(detached.weights.size(), 2U);
  EXPECT_EQ(detached.weights[0], &model.graph.initializers[1]);
  EXPECT_EQ(detached.weights[1], &model.graph.initializers[2]);
  EXPECT_LT(detached.message.size(), 1000U);
  // What is left out is declared as external data, which a model in memory cannot have.
  EXPECT_TRUE(
      throws(ErrorCode::kNotFound, [&] { (void)parse_model(detached.message); }, {"first"}));
}

TEST(SerializeDetached, IsTheWholeModelWhenNoWeightIsLarge) {
  const DetachedModel detached = serialize_detached(model_with_weights(), 1 << 20);
  EXPECT_TRUE(detached.weights.empty());
  EXPECT_EQ(detached.message, serialize_model(model_with_weights()));
}

TEST(SerializeDetached, KeepsElementsThatShareBytes) {
  const Model model = GraphBuilder()
                          .initializer("w", random_bits(DType::kInt4, {64, 64}, 1))
                          .node("Identity", {"w"}, {"c"})
                          .untyped_output("c")
                          .model();
  EXPECT_TRUE(serialize_detached(model, 16).weights.empty());
}

TEST(DigestOf, DoesNotDependOnHowAFileStoresWeights) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "m.onnx";
  save_model(model_with_weights(), path, kAlwaysExternal);
  EXPECT_EQ(digest_of(load_model(path)), digest_of(model_with_weights()));
  const auto digest_of_tensor = [](const std::string& storage) {
    return digest_of(parse_model(
        graph_model_bytes("initializer { name: 'w' data_type: 3 dims: 2 " + storage + " }")));
  };
  EXPECT_EQ(digest_of_tensor("int32_data: [1, -1]"), digest_of_tensor(R"(raw_data: "\001\377")"));
}

TEST(DigestOf, ChangesWithAWeightAnAttributeAndAName) {
  const std::string digest = digest_of(model_with_weights());
  EXPECT_EQ(digest.size(), 64U);
  Model other = model_with_weights();
  std::swap(other.graph.initializers[0].name, other.graph.initializers[1].name);
  EXPECT_NE(digest_of(other), digest);
  other = model_with_weights();
  other.graph.nodes[0].set_attribute("value", 3.0F);
  EXPECT_NE(digest_of(other), digest);
  EXPECT_NE(digest_of(model_with_weights(2)), digest);
}

TEST(DigestOf, IsTheHashOfTheSerializedModel) {
  EXPECT_EQ(digest_of(model_with_weights()), sha256_hex(serialize_model(model_with_weights())));
}

}  // namespace
}  // namespace planish::test
