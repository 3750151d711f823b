// load_model and parse_model: what is refused, and how.
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "onnx_schema.h"
#include "planish/base/file.h"
#include "planish/onnx/onnx.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"
#include "support/throws.h"

namespace planish::test {
namespace {

using namespace std::string_literals;

Model conv_model() {
  return GraphBuilder()
      .input("x", DType::kFloat32, {"batch", 3, 8, 8})
      .initializer("w", random_tensor({4, 3, 1, 1}, 1))
      .node("Conv", {"x", "w"}, {"c"}, {{"kernel_shape", ints({1, 1})}})
      .node("Relu", {"c"}, {"y"})
      .output("y", DType::kFloat32, {"batch", 4, 8, 8})
      .model();
}

/// A length-delimited field as protobuf writes it.
std::string field(int number, const std::string& content) {
  std::string bytes(1, static_cast<char>(number << 3 | 2));
  std::size_t length = content.size();
  for (; length >= 128; length >>= 7) bytes += static_cast<char>((length & 127) | 128);
  return bytes + static_cast<char>(length) + content;
}

/// A model with `depth` graphs inside its graph, one in another.
std::string nested_graphs(int depth) {
  constexpr int kNode = 1, kAttribute = 5, kGraphValue = 6;  // of Graph-, Node-, AttributeProto
  const std::string attribute_type = "\xa0\x01\x05";         // GRAPH
  std::string graph;
  for (int i = 0; i < depth; ++i) {
    graph = field(kNode, field(kAttribute, field(kGraphValue, graph) + attribute_type));
  }
  return model_bytes("ir_version: 8 opset_import { version: 17 }") + field(7, graph);
}

TEST(LoadModel, ReadsWhatSaveModelWrote) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "m.onnx";
  save_model(conv_model(), path);
  EXPECT_TRUE(load_model(path) == conv_model());
}

TEST(LoadModel, NamesTheFileThatDoesNotExist) {
  EXPECT_TRUE(throws(ErrorCode::kNotFound, [] { (void)load_model("/nowhere/m.onnx"); },
                     {"/nowhere/m.onnx"}));
}

TEST(LoadModel, NamesTheFileInErrorsOfItsContent) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "broken.onnx";
  write_file_atomically(path, "nonsense");
  EXPECT_TRUE(throws(ErrorCode::kCorrupt, [&] { (void)load_model(path); }, {"broken.onnx"}));
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { (void)load_model(folder.path()); }));
}

TEST(ParseModel, RefusesEveryTruncation) {
  const std::string bytes = serialize_model(conv_model());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_TRUE(throws(ErrorCode::kCorrupt, [&] { (void)parse_model(bytes.substr(0, size)); }))
        << size;
  }
}

TEST(ParseModel, GivesAModelOrAnErrorForEveryFlippedBit) {
  const std::string bytes = serialize_model(conv_model());
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    try {
      (void)serialize_model(parse_model(flipped));
    } catch (const Error& error) {
      EXPECT_EQ(row_of(error.code()).exit_status, 4) << error.what();
    }
  }
}

TEST(ParseModel, RecognizesOtherFormatsAndSaysWhatToDo) {
  const auto refused = [](const std::string& bytes, ErrorCode code, std::string_view part) {
    return throws(code, [&] { (void)parse_model(bytes); }, {part});
  };
  EXPECT_TRUE(refused("PK\x03\x04\0\0\0\0"s, ErrorCode::kUnsupported, "PyTorch archive"));
  EXPECT_TRUE(refused("PK\x03\x04\0\0\0\0"s, ErrorCode::kUnsupported, "torch.onnx.export"));
  EXPECT_TRUE(refused("\x80\x02\x8a\nl\xfc"s, ErrorCode::kUnsupported, "pickle"));
  EXPECT_TRUE(refused("\x89HDF\r\n\x1a\n"s, ErrorCode::kUnsupported, "Keras"));
  EXPECT_TRUE(refused("\x1c\0\0\0TFL3"s, ErrorCode::kUnsupported, "TensorFlow Lite"));
  EXPECT_TRUE(refused("\x1c\0\0\0ORTM"s, ErrorCode::kUnsupported, ".ort"));
  EXPECT_TRUE(refused("GGUF\3\0\0\0"s, ErrorCode::kUnsupported, "GGUF"));
  EXPECT_TRUE(refused("\x40\0\0\0\0\0\0\0{\"a\":1}"s, ErrorCode::kUnsupported, "safetensors"));
  EXPECT_TRUE(refused("version https://git-lfs.github.com/spec/v1\n"s, ErrorCode::kCorrupt,
                      "git lfs pull"));
  EXPECT_TRUE(refused("\xff\xd8\xff\xe0 JFIF"s, ErrorCode::kCorrupt, "JPEG"));
  EXPECT_TRUE(refused("\x89PNG\r\n\x1a\n"s, ErrorCode::kCorrupt, "PNG"));
  EXPECT_TRUE(refused("<!DOCTYPE html>"s, ErrorCode::kCorrupt, "HTML"));
  EXPECT_TRUE(refused("just some words\n"s, ErrorCode::kCorrupt, "not an ONNX model"));
  EXPECT_TRUE(refused(std::string(1000, '\0'), ErrorCode::kCorrupt, "not an ONNX model"));
  EXPECT_TRUE(refused("", ErrorCode::kCorrupt, "empty"));
}

TEST(ParseModel, AcceptsAModelThatOnlyLooksLikeAnotherFormat) {
  Model model = conv_model();
  model.producer_name = "TFL3";  // at byte 4 of the file, where TensorFlow Lite has its magic
  const std::string bytes =
      model_bytes("ir_version: 8 producer_name: 'TFL3' opset_import { version: 17 } graph {}");
  ASSERT_EQ(bytes.substr(4, 4), "TFL3");
  EXPECT_EQ(parse_model(bytes).producer_name, "TFL3");
}

TEST(ParseModel, RefusesModelsWithoutWhatOnnxDemands) {
  const auto refused = [](const std::string& text, std::string_view part) {
    return throws(ErrorCode::kCorrupt, [&] { (void)parse_model(model_bytes(text)); }, {part});
  };
  EXPECT_TRUE(refused("ir_version: 8 opset_import { version: 17 }", "no graph"));
  EXPECT_TRUE(refused("opset_import { version: 17 } graph {}", "IR version"));
  EXPECT_TRUE(refused("ir_version: 8 graph {}", "no operator set"));
  EXPECT_TRUE(refused("ir_version: 8 opset_import { domain: 'd' } graph {}", "'d'"));
  EXPECT_TRUE(
      refused("ir_version: 8 opset_import { version: 17 } "
              "opset_import { domain: 'ai.onnx' version: 18 } graph {}",
              "17 and 18"));
}

TEST(ParseModel, RefusesValuesThatAreDefinedTwice) {
  const auto refused = [](const std::string& graph, std::string_view part) {
    return throws(ErrorCode::kCorrupt, [&] { (void)parse_model(graph_model_bytes(graph)); },
                  {"defined twice", part});
  };
  const std::string w = "initializer { name: 'w' data_type: 1 float_data: 1 } ";
  EXPECT_TRUE(refused("input { name: 'x' } input { name: 'x' }", "'x'"));
  EXPECT_TRUE(refused(w + w, "'w'"));
  EXPECT_TRUE(refused("node { output: 'y' } node { output: 'y' }", "'y'"));
  EXPECT_TRUE(refused("node { output: ['y', 'y'] }", "'y'"));
  EXPECT_TRUE(refused(w + "node { output: 'w' }", "an initializer and by a node"));
  EXPECT_TRUE(refused("input { name: 'x' } node { output: 'x' }", "a graph input and by a node"));
  EXPECT_TRUE(
      refused("node { op_type: 'If' output: 'z' attribute { name: 'b' type: GRAPH "
              "g { name: 'inner' node { output: 'y' } node { output: 'y' } } } }",
              "graph 'inner'"));
}

TEST(ParseModel, AcceptsAnInitializerThatIsAnInputsDefaultAndOmittedOutputs) {
  const Model model = parse_model(graph_model_bytes(
      "initializer { name: 'w' data_type: 1 float_data: 1 } input { name: 'w' } "
      "node { op_type: 'A' output: ['', 'a'] } node { op_type: 'B' output: ['', 'b'] }"));
  EXPECT_EQ(model.graph.nodes.size(), 2U);
}

TEST(ParseModel, SortsNodesThatAreOutOfOrderInEveryGraphAndFunction) {
  const std::string unsorted =
      "node { op_type: 'Last' input: 'a' output: 'b' } node { op_type: 'First' output: 'a' } ";
  const Model model =
      parse_model(model_bytes("ir_version: 8 opset_import { version: 17 } graph { " + unsorted +
                              "node { op_type: 'If' attribute { name: 'then' type: GRAPH g { " +
                              unsorted + " } } } } " + "functions { name: 'f' " + unsorted + " }"));
  EXPECT_EQ(model.graph.nodes.at(0).op_type, "First");
  const auto& branch = std::get<Box<Graph>>(model.graph.nodes.at(2).attributes.at(0).value);
  EXPECT_EQ(branch->nodes.at(0).op_type, "First");
  EXPECT_EQ(model.functions.at(0).nodes.at(0).op_type, "First");
}

TEST(ParseModel, RefusesCycles) {
  EXPECT_TRUE(throws(ErrorCode::kCorrupt,
                     [] {
                       (void)parse_model(graph_model_bytes(
                           "node { name: 'n' op_type: 'A' input: 'b' output: 'a' } "
                           "node { name: 'm' op_type: 'B' input: 'a' output: 'b' }"));
                     },
                     {"cycle"}));
}

TEST(ParseModel, ReadsSubgraphsAsDeepAsAllowedAndNoDeeper) {
  ReadConfig config;
  const int allowed = static_cast<int>(config.max_nesting) - 1;  // besides the model's own
  const auto read = [&](int depth) {
    const Model model = parse_model(nested_graphs(depth), {}, config);
    EXPECT_TRUE(parse_model(serialize_model(model), {}, config) == model);
  };
  EXPECT_NO_THROW(read(allowed));
  for (const int depth : {allowed + 1, 1000, 3000}) {
    EXPECT_TRUE(throws(ErrorCode::kCorrupt, [&] { read(depth); }, {"nest"})) << depth;
  }
  config.max_nesting = 500;
  EXPECT_NO_THROW(read(499));
}

TEST(ParseModel, RefusesTypesThatNestTooDeep) {
  ValueInfo value;
  value.name = "v";
  for (int i = 0; i < 1000; ++i) value.type.type = SequenceType{Box(ValueType(value.type))};
  Model model = conv_model();
  model.graph.values.push_back(value);
  EXPECT_TRUE(throws(ErrorCode::kCorrupt, [&] { (void)parse_model(serialize_model(model)); }));
}

TEST(ParseModel, RefusesMoreBytesThanAllowed) {
  const std::string bytes = serialize_model(conv_model());
  ReadConfig config;
  config.max_file_bytes = bytes.size();
  EXPECT_NO_THROW((void)parse_model(bytes, {}, config));
  config.max_file_bytes = bytes.size() - 1;
  EXPECT_TRUE(throws(ErrorCode::kExhausted, [&] { (void)parse_model(bytes, {}, config); }));
}

TEST(ParseModel, NamesTheNodeAndTheValueInErrors) {
  EXPECT_TRUE(throws(ErrorCode::kCorrupt,
                     [] {
                       (void)parse_model(graph_model_bytes(
                           "node { name: 'n' op_type: 'Constant' attribute { name: 'value' "
                           "type: TENSOR t { name: 't' data_type: 1 dims: 2 } } }"));
                     },
                     {"node 'n' (Constant)", "tensor 't'"}));
  EXPECT_TRUE(throws(ErrorCode::kUnsupported,
                     [] {
                       (void)parse_model(graph_model_bytes(
                           "input { name: 'x' type { tensor_type { elem_type: 77 } } }"));
                     },
                     {"value 'x'", "77"}));
}

}  // namespace
}  // namespace planish::test
