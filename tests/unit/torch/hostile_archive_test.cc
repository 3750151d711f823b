// Archives that are truncated, damaged, absurd or lie: an error that says so, and no crash.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <span>
#include <string>

#include "planish/torch/import.h"
#include "support/throws.h"
#include "support/torch_archive.h"

namespace planish::test {
namespace {

using namespace std::string_literals;

constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max();

TorchImport read(const std::string& bytes, const TorchImportConfig& config = {}) {
  return import_torch_export(std::as_bytes(std::span(bytes)), nullptr, config);
}

testing::AssertionResult refused(const std::string& bytes, ErrorCode code,
                                 std::initializer_list<std::string_view> parts) {
  return throws(
      code, [&] { (void)read(bytes); }, parts);
}

testing::AssertionResult corrupt(const TorchArchive& archive,
                                 std::initializer_list<std::string_view> parts) {
  return refused(archive.zip(), ErrorCode::kCorrupt, parts);
}

Json number(std::int64_t value) { return {{"as_int", value}}; }

/// The stored weight as a view of these sizes and strides.
TorchArchive with_view(std::initializer_list<std::int64_t> sizes,
                       std::initializer_list<std::int64_t> strides, std::int64_t offset = 0) {
  TorchArchive archive;
  Json& view = archive.view();
  view["sizes"] = view["strides"] = Json::array();
  for (const std::int64_t size : sizes) view["sizes"].push_back(number(size));
  for (const std::int64_t stride : strides) view["strides"].push_back(number(stride));
  view["storage_offset"] = number(offset);
  archive.value("p_w")["sizes"] = view["sizes"];
  return archive;
}

/// The archive with one member changed.
template <typename Change>
std::string with_member(const std::string& name, Change&& change) {
  std::vector<ZipEntry> members = TorchArchive().members();
  for (ZipEntry& member : members) {
    if (member.name == name) change(member);
  }
  return zip_of(members);
}

Tensor weight_of(const TorchArchive& archive) {
  const std::string zip = archive.zip();
  return read(zip).model.graph.initializers.at(0).value;
}

TEST(TorchArchiveOfTests, IsRead) {
  const std::string zip = TorchArchive().zip();
  const TorchImport import = read(zip);
  EXPECT_EQ(import.calls, 2U);
  EXPECT_EQ(import.model.graph.nodes.size(), 2U);
  ASSERT_EQ(import.open_dims.size(), 1U);
  EXPECT_EQ(import.open_dims[0].max, 64);
  EXPECT_EQ(import.model.graph.nodes[1].name, "act");
}

TEST(HostileArchive, EveryPrefixIsRefused) {
  const std::string zip = TorchArchive().zip();
  for (std::size_t size = 0; size < zip.size(); size += 7)
    EXPECT_TRUE(refused(zip.substr(0, size), ErrorCode::kCorrupt, {})) << size;
}

TEST(HostileArchive, EveryChangedByteIsReadOrRefused) {
  const std::string zip = TorchArchive().zip();
  for (std::size_t at = 0; at < zip.size(); at += 3) {
    std::string changed = zip;
    changed[at] = static_cast<char>(changed[at] ^ 0x55);
    try {
      (void)read(changed);
    } catch (const Error& error) {
      EXPECT_NE(error.code(), ErrorCode::kInternal) << at << ": " << error.what();
    }
  }
}

TEST(HostileArchive, AMemberThatIsMissingIsNamed) {
  for (const char* name : {"net/byteorder", "net/data/weights/weight_0"}) {
    const std::string zip = with_member(name, [](ZipEntry& member) { member.name = "net/other"; });
    const std::string_view shown = std::string_view(name).substr(4);
    EXPECT_TRUE(refused(zip, ErrorCode::kCorrupt, {shown, "missing"}));
  }
  const std::string no_table = with_member("net/data/weights/model_weights_config.json",
                                           [](ZipEntry& member) { member.name = "net/other"; });
  EXPECT_TRUE(refused(no_table, ErrorCode::kCorrupt, {"no weights for 'w'"}));
  const std::string no_program =
      with_member("net/models/model.json", [](ZipEntry& member) { member.name = "net/other"; });
  EXPECT_TRUE(refused(no_program, ErrorCode::kCorrupt, {"without a program"}));
}

TEST(HostileArchive, TwoMembersOfOneNameAreRefused) {
  const std::string zip = with_member(
      "net/archive_version", [](ZipEntry& member) { member.name = "net/models/model.json"; });
  EXPECT_TRUE(refused(zip, ErrorCode::kCorrupt, {"two members", "model.json"}));
}

TEST(HostileArchive, WeightsThatDoNotMatchTheirChecksumAreRefused) {
  const std::string zip =
      with_member("net/data/weights/weight_0", [](ZipEntry& member) { member.crc = 7; });
  EXPECT_TRUE(refused(zip, ErrorCode::kCorrupt, {"'w'", "weight_0", "checksum"}));
}

TEST(HostileArchive, BombsAreRefused) {
  // 512 MB of zeros in half a megabyte, as a weight and as the program.
  const std::string zeros(std::size_t{512} << 20, '\0');
  const ZipEntry bomb = deflated("bomb", zeros);
  const auto packed_as = [&](const std::string& name) {
    return with_member(name, [&](ZipEntry& member) {
      member = bomb;
      member.name = name;
    });
  };
  EXPECT_TRUE(refused(packed_as("net/data/weights/weight_0"), ErrorCode::kExhausted,
                      {"'w'", "far more memory than the archive has bytes"}));
  EXPECT_TRUE(refused(packed_as("net/models/model.json"), ErrorCode::kExhausted,
                      {"model.json", "at most"}));
}

TEST(HostileArchive, APackedWeightOfOrdinarySizeIsRead) {
  TorchArchive archive;
  const std::string zip = with_member("net/data/weights/weight_0", [&](ZipEntry& member) {
    member = deflated(member.name, archive.storage);
  });
  EXPECT_EQ(read(zip).model.graph.initializers.at(0).value,
            Tensor::of<float>({3}, std::vector<float>{1, 2, 3}));
}

TEST(StoredView, OffsetsAndStridesAreHonoured) {
  EXPECT_EQ(weight_of(with_view({3}, {1}, 3)), Tensor::of<float>({3}, std::vector<float>{4, 5, 6}));
  EXPECT_EQ(weight_of(with_view({3}, {2}, 1)), Tensor::of<float>({3}, std::vector<float>{2, 4, 6}));
  EXPECT_EQ(weight_of(with_view({3, 2}, {1, 3})),
            Tensor::of<float>({3, 2}, std::vector<float>{1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(weight_of(with_view({3}, {0}, 5)), Tensor::of<float>({3}, std::vector<float>{6, 6, 6}));
}

TEST(StoredView, BeyondItsStorageIsRefused) {
  EXPECT_TRUE(corrupt(with_view({3}, {1}, 4), {"'w'", "byte 28 of a storage of 24"}));
  EXPECT_TRUE(corrupt(with_view({7}, {1}), {"byte 28"}));
  EXPECT_TRUE(corrupt(with_view({3}, {3}), {"byte 28"}));
}

TEST(StoredView, NegativeAndSymbolicNumbersAreRefused) {
  EXPECT_TRUE(corrupt(with_view({-3}, {1}), {"size -3"}));
  EXPECT_TRUE(corrupt(with_view({3}, {-1}), {"stride -1"}));
  EXPECT_TRUE(corrupt(with_view({3}, {1}, -1), {"storage offset -1"}));
  TorchArchive symbolic;
  symbolic.view()["sizes"][0] = {{"as_expr", {{"expr_str", "Symbol('s0')"}}}};
  EXPECT_TRUE(corrupt(symbolic, {"size s0 of a weight"}));
  EXPECT_TRUE(corrupt(with_view({3}, {1, 1}), {"1 sizes and 2 strides"}));
}

TEST(StoredView, ProductsThatOverflowAreRefused) {
  EXPECT_TRUE(corrupt(with_view({kHuge, kHuge}, {0, 0}), {"overflows"}));
  EXPECT_TRUE(corrupt(with_view({kHuge}, {kHuge}), {"overflows"}));
  EXPECT_TRUE(corrupt(with_view({3}, {1}, kHuge), {"overflows"}));
  EXPECT_TRUE(corrupt(with_view({3}, {kHuge}), {"overflows"}));
  EXPECT_TRUE(corrupt(with_view({0, kHuge, kHuge}, {1, 1, 1}), {"overflows"}));
}

TEST(StoredView, RepeatedElementsAreBoundedOverTheWholeArchive) {
  EXPECT_TRUE(refused(with_view({std::int64_t{1} << 40}, {0}).zip(), ErrorCode::kExhausted,
                      {"'w'", "far more memory"}));
  // Each by itself would pass.
  TorchArchive many = with_view({std::int64_t{1} << 24}, {0});
  Json& inputs = many.program["graph_module"]["graph"]["inputs"];
  Json& specs = many.program["graph_module"]["signature"]["input_specs"];
  for (int i = 0; i < 8; ++i) {
    const std::string name = "v" + std::to_string(i);
    many.weights["config"][name] = many.weights["config"]["w"];
    many.weights["config"][name]["tensor_meta"]["storage_offset"] = number(i % 6);
    many.weights["config"][name]["tensor_meta"]["sizes"][0] = number((1 << 24) + i);
    many.value("p_" + name) = many.value("p_w");
    many.value("p_" + name)["sizes"][0] = number((1 << 24) + i);
    inputs.push_back({{"as_tensor", {{"name", "p_" + name}}}});
    specs.push_back({{"parameter", {{"arg", {{"name", "p_" + name}}}, {"parameter_name", name}}}});
  }
  EXPECT_TRUE(refused(many.zip(), ErrorCode::kExhausted, {"far more memory"}));
}

TEST(StoredView, ThatTheProgramDeclaresOtherwiseIsRefused) {
  TorchArchive archive;
  archive.value("p_w")["sizes"][0] = number(2);
  EXPECT_TRUE(corrupt(archive, {"'w' has shape [3]", "declares another"}));
}

TEST(StoredView, APickleIsRefused) {
  TorchArchive archive;
  archive.weights["config"]["w"]["use_pickle"] = true;
  EXPECT_TRUE(refused(archive.zip(), ErrorCode::kUnsupported, {"'w'", "pickle"}));
}

TEST(HostileNames, WithControlCharactersAreRefusedAndShownSafely) {
  for (const std::string& name : {"a\0b"s, "a\nb"s, "\x1b[2J"s, ""s}) {
    TorchArchive archive;
    archive.program["graph_module"]["signature"]["input_specs"][0]["parameter"]["parameter_name"] =
        name;
    EXPECT_TRUE(corrupt(archive, {"control characters"}));
    try {
      (void)read(archive.zip());
    } catch (const Error& error) {
      EXPECT_EQ(error.message().find('\x1b'), std::string::npos);
    }
  }
}

TEST(HostileNames, OfFilesAreLookedUpInTheArchiveOnly) {
  for (const std::string& name : {"../../../etc/passwd"s, "/etc/passwd"s, "weight_0\0"s}) {
    TorchArchive archive;
    archive.weights["config"]["w"]["path_name"] = name;
    EXPECT_TRUE(corrupt(archive, {"'w'", "is missing"}));
  }
}

TEST(HostileProgram, ThatNestsTooDeepIsRefused) {
  TorchArchive archive;
  const std::string brackets = std::string(200'000, '[') + std::string(200'000, ']');
  const std::string zip =
      with_member("net/models/model.json", [&](ZipEntry& member) { member.content = brackets; });
  EXPECT_TRUE(refused(zip, ErrorCode::kCorrupt, {"nests deeper"}));
  std::string deep;
  for (int i = 0; i < 5000; ++i) deep += "Add(";
  archive.value("x")["sizes"][0] = {{"as_expr", {{"expr_str", deep}}}};
  EXPECT_TRUE(corrupt(archive, {"is no size"}));
}

TEST(HostileProgram, WhoseValuesDependOnThemselvesIsRefused) {
  TorchArchive archive;
  archive.node().at("inputs")[0]["arg"]["as_tensor"]["name"] = "relu";
  EXPECT_TRUE(corrupt(archive, {"'relu' is used before it is made"}));
  TorchArchive itself;
  itself.node().at("inputs")[0]["arg"]["as_tensor"]["name"] = "add";
  EXPECT_TRUE(corrupt(itself, {"'add' is used before it is made"}));
}

TEST(HostileProgram, WithNumbersThatDoNotFitIsRefused) {
  for (const char* text : {"1e400", "18446744073709551616", "-9223372036854775809", "1.5"}) {
    const std::string zip = with_member("net/models/model.json", [&](ZipEntry& member) {
      const std::string old = R"("major":8)";
      member.content.replace(member.content.find(old), old.size(),
                             R"("major":)" + std::string(text));
    });
    EXPECT_TRUE(refused(zip, ErrorCode::kCorrupt, {})) << text;
  }
}

TEST(HostileProgram, WithNegativeSizesAndRangesWithoutNumbersIsRefused) {
  TorchArchive negative;
  negative.value("x")["sizes"][1] = number(-3);
  EXPECT_TRUE(corrupt(negative, {"tensor 'x'", "size -3"}));
  TorchArchive empty_range;
  empty_range.program["range_constraints"]["s77"] = {{"min_val", 9}, {"max_val", 3}};
  EXPECT_TRUE(corrupt(empty_range, {"'s77' is at least 9 and at most 3"}));
}

TEST(HostileProgram, AtTheEndsOfItsRangesIsRead) {
  TorchArchive archive;
  archive.program["range_constraints"]["s77"] = {{"min_val", kHuge}, {"max_val", kHuge}};
  const std::string zip = archive.zip();
  EXPECT_EQ(read(zip).examples.size(), 1U);  // there is no other size
}

TEST(HostileProgram, WithArgumentsOfWrongRankIsRefused) {
  const auto call_of = [](const std::string& target, const std::string& self, Json more) {
    TorchArchive archive;
    Json& node = archive.node(1);
    node["target"] = "torch.ops.aten." + target;
    node["inputs"] = Json::array({{{"name", "self"}, {"arg", {{"as_tensor", {{"name", self}}}}}}});
    if (!more.is_null()) node["inputs"].push_back(std::move(more));
    return archive;
  };
  // The last two axes of one.
  EXPECT_TRUE(corrupt(call_of("mT.default", "p_w", nullptr), {"aten.mT", "fewer axes"}));
  const Json axis = {{"name", "dim"}, {"arg", number(9)}};
  EXPECT_TRUE(corrupt(call_of("unsqueeze.default", "add", axis), {"axis 9 of a tensor of rank 3"}));
}

TEST(Schema, AnotherMajorVersionIsRefusedWithTheWayOut) {
  for (const int major : {5, 7, 9}) {
    TorchArchive archive;
    archive.program["schema_version"] = {{"major", major}, {"minor", 3}};
    EXPECT_TRUE(refused(
        archive.zip(), ErrorCode::kUnsupported,
        {"schema " + std::to_string(major) + ".3", "2.13.0", "expected 8", "torch >= 2.8"}));
  }
}

TEST(Schema, ANewerMinorVersionIsReadAndReported) {
  TorchArchive archive;
  archive.program["schema_version"]["minor"] = 99;
  const std::string zip = archive.zip();
  EXPECT_THAT(read(zip).notes, testing::ElementsAre(testing::HasSubstr("8.99 is newer")));
}

TEST(Schema, UnknownMembersAreReadOverAndReported) {
  TorchArchive archive;
  archive.program["colour"] = "blue";
  archive.program["graph_module"]["graph"]["shades"] = Json::array();
  archive.node()["tint"] = 1;
  archive.value("x")["hue"] = 2;
  const std::string zip = archive.zip();
  EXPECT_THAT(read(zip).notes,
              testing::UnorderedElementsAre(
                  testing::HasSubstr("ExportedProgram.colour"), testing::HasSubstr("Graph.shades"),
                  testing::HasSubstr("Node.tint"), testing::HasSubstr("TensorMeta.hue")));
}

TEST(Schema, ThousandsOfUnknownMembersAreNotAllTold) {
  TorchArchive archive;
  for (int i = 0; i < 5000; ++i) archive.program["m" + std::to_string(i)] = i;
  const std::string zip = archive.zip();
  EXPECT_LT(read(zip).notes.size(), 50U);
}

}  // namespace
}  // namespace planish::test
