// External data: mapped, checked, and never looked for outside the folder of the model.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "onnx_schema.h"
#include "planish/base/file.h"
#include "planish/onnx/onnx.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"
#include "support/throws.h"

namespace planish::test {
namespace {

namespace fs = std::filesystem;

/// A model whose only tensor, "w", of `count` floats has its elements where `entries` say.
std::string external_model(std::int64_t count, const std::string& location,
                           const std::string& entries = {}) {
  return graph_model_bytes("initializer { name: 'w' data_type: 1 dims: " + std::to_string(count) +
                           " data_location: EXTERNAL external_data { key: 'location' value: '" +
                           location + "' } " + entries + " }");
}

std::string entry(const std::string& key, const std::string& value) {
  return "external_data { key: '" + key + "' value: '" + value + "' } ";
}

std::string floats_as_bytes(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

class ExternalData : public testing::Test {
 protected:
  ExternalData() { fs::create_directory(model_folder()); }
  [[nodiscard]] fs::path model_folder() const { return folder_.path() / "model"; }
  [[nodiscard]] fs::path file(const std::string& name) const { return model_folder() / name; }
  [[nodiscard]] Model parse(const std::string& bytes) const {
    return parse_model(bytes, model_folder());
  }
  TemporaryFolder folder_;
};

TEST_F(ExternalData, IsReadAtItsOffset) {
  write_file_atomically(file("w.bin"), "pad!" + floats_as_bytes({1, 2, 3}) + "rest");
  write_file_atomically(file("m.onnx"),
                        external_model(3, "w.bin", entry("offset", "4") + entry("length", "12")));
  const Model model = load_model(file("m.onnx"));
  EXPECT_TRUE(model.graph.initializers.at(0).value == Tensor::of<float>({3}, {1, 2, 3}));
  EXPECT_EQ(model.graph.initializers.at(0).opaque, "");
}

TEST_F(ExternalData, NeedsNeitherOffsetNorLength) {
  write_file_atomically(file("w.bin"), floats_as_bytes({1, 2, 3}));
  EXPECT_TRUE(parse(external_model(2, "w.bin")).graph.initializers.at(0).value ==
              Tensor::of<float>({2}, {1, 2}));
}

TEST_F(ExternalData, IsCopiedOnlyWhereItIsNotAligned) {
  write_file_atomically(file("w.bin"), "x" + floats_as_bytes({1, 2}));
  const Tensor tensor =
      parse(external_model(2, "w.bin", entry("offset", "1"))).graph.initializers.at(0).value;
  EXPECT_TRUE(tensor == Tensor::of<float>({2}, {1, 2}));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.bytes().data()) % alignof(float), 0U);
}

TEST_F(ExternalData, MayStandInAFolderBelow) {
  fs::create_directory(file("weights"));
  write_file_atomically(file("weights/w.bin"), floats_as_bytes({1}));
  EXPECT_NO_THROW((void)parse(external_model(1, "weights/w.bin")));
  EXPECT_NO_THROW((void)parse(external_model(1, "./weights/../weights/w.bin")));
}

TEST_F(ExternalData, MissingIsNotFoundAndNamesTensorAndFile) {
  EXPECT_TRUE(throws(ErrorCode::kNotFound, [&] { (void)parse(external_model(1, "w.bin")); },
                     {"tensor 'w'", "w.bin"}));
}

TEST_F(ExternalData, MustLieInsideTheFolderOfTheModel) {
  write_file_atomically(folder_.path() / "secret", floats_as_bytes({1}));
  fs::create_symlink(folder_.path() / "secret", file("link"));
  fs::create_directory_symlink(folder_.path(), file("outside"));
  for (const std::string& location :
       {std::string("../secret"), std::string("a/../../secret"),
        (folder_.path() / "secret").string(), std::string("link"), std::string("outside/secret"),
        std::string("../model/../secret")}) {
    EXPECT_TRUE(throws(ErrorCode::kCorrupt, [&] { (void)parse(external_model(1, location)); },
                       {"tensor 'w'", "inside"}))
        << location;
  }
}

TEST_F(ExternalData, MayBeReachedByALinkThatStaysInside) {
  write_file_atomically(file("w.bin"), floats_as_bytes({1}));
  fs::create_symlink("w.bin", file("link"));
  EXPECT_NO_THROW((void)parse(external_model(1, "link")));
}

TEST_F(ExternalData, ThatIsTooShortOrDoesNotAgreeIsCorrupt) {
  write_file_atomically(file("w.bin"), floats_as_bytes({1, 2}));
  for (const std::string& entries :
       {entry("offset", "4"), entry("offset", "9"), entry("offset", "18446744073709551615"),
        entry("length", "4"), entry("length", "12"), entry("offset", "-1"), entry("offset", "4x"),
        entry("length", ""), entry("offset", "99999999999999999999")}) {
    EXPECT_TRUE(throws(ErrorCode::kCorrupt,
                       [&] { (void)parse(external_model(2, "w.bin", entries)); }, {"tensor 'w'"}))
        << entries;
  }
  EXPECT_TRUE(throws(ErrorCode::kCorrupt, [&] { (void)parse(external_model(1 << 30, "w.bin")); },
                     {"4294967296", "which has 8"}));
  EXPECT_TRUE(
      throws(ErrorCode::kCorrupt, [&] { (void)parse(external_model(1, "")); }, {"location"}));
}

TEST_F(ExternalData, ThatIsAFolderOrAPipeIsRefused) {
  fs::create_directory(file("folder"));
  ASSERT_EQ(::mkfifo(file("pipe").c_str(), 0600), 0);
  for (const char* name : {"folder", "pipe"}) {
    EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { (void)parse(external_model(1, name)); },
                       {"tensor 'w'"}));
  }
}

TEST_F(ExternalData, OfAModelInMemoryIsNotFound) {
  EXPECT_TRUE(throws(ErrorCode::kNotFound, [] { (void)parse_model(external_model(1, "w.bin")); },
                     {"not read from a folder"}));
}

TEST_F(ExternalData, OfAnAttributeIsReadToo) {
  write_file_atomically(file("w.bin"), floats_as_bytes({5}));
  const Model model = parse(graph_model_bytes(
      "node { op_type: 'Constant' output: 'c' attribute { name: 'value' type: TENSOR t { "
      "data_type: 1 dims: 1 data_location: EXTERNAL external_data { key: 'location' value: 'w.bin' "
      "} } } }"));
  const auto& value = std::get<Box<Initializer>>(model.graph.nodes.at(0).attributes.at(0).value);
  EXPECT_TRUE(value->value == Tensor::of<float>({1}, {5}));
}

TEST_F(ExternalData, BeyondTwoGigabytesIsMappedAndNotRead) {
  // A sparse file: it takes no room on the disk, and only the pages that are touched are read.
  constexpr std::uint64_t kCount = (std::uint64_t{5} << 30) / 2 / sizeof(float);  // 2.5 GiB
  const int descriptor = ::open(file("w.bin").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_GE(descriptor, 0);
  ASSERT_EQ(::ftruncate(descriptor, kCount * sizeof(float)), 0);
  const float last = 7.0F;
  ASSERT_EQ(::pwrite(descriptor, &last, sizeof last, (kCount - 1) * sizeof(float)), 4);
  ::close(descriptor);
  const Model model = parse(external_model(kCount, "w.bin"));
  const auto values = model.graph.initializers.at(0).value.values<float>();
  ASSERT_EQ(values.size(), kCount);
  EXPECT_EQ(values.front(), 0.0F);
  EXPECT_EQ(values.back(), 7.0F);
  EXPECT_TRUE(throws(ErrorCode::kExhausted, [&] { (void)serialize_model(model); }, {"external"}));
}

}  // namespace
}  // namespace planish::test
