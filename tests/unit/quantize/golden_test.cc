// Profile onnxruntime-1.32 against what the onnxruntime 1.32 Python quantizer made of the same
// model, ranges and options (recorded by tests/golden/quantize/make_golden.py).
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/json.h"
#include "planish/graph/bodies.h"
#include "planish/onnx/onnx.h"
#include "planish/quantize/plan.h"
#include "support/paths.h"
#include "unit/quantize/config_from_json.h"

namespace planish {
namespace {

const std::filesystem::path kFolder = test::test_data_folder() / "quantize/golden";

std::string inflated(const std::string& bytes, uLongf size) {
  std::string result(size, '\0');
  const int status = uncompress(reinterpret_cast<Bytef*>(result.data()), &size,
                                reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  EXPECT_EQ(status, Z_OK);
  EXPECT_EQ(size, result.size());
  return result;
}

/// The recorded cases, read once.
struct Corpus {
  Json document = parse_json(read_file(kFolder / "cases.json"));
  std::string expected =
      inflated(read_file(kFolder / "expected.zlib"), document["expected_bytes"].get<uLongf>());

  static const Corpus& get() {
    static const Corpus corpus;
    return corpus;
  }
};

CalibrationTable table_of(const Json& ranges) {
  CalibrationTable table;
  for (const auto& [tensor, pair] : ranges.items()) {
    table.ranges[tensor] = {pair[0].get<float>(), pair[1].get<float>()};
  }
  return table;
}

/// But for graphs, which are compared as such.
std::map<std::string, Attribute::Value> attributes_of(const Node& node) {
  std::map<std::string, Attribute::Value> values;
  for (const Attribute& attribute : node.attributes) {
    const bool is_graph = std::holds_alternative<Box<Graph>>(attribute.value);
    if (!is_graph) values[attribute.name] = attribute.value;
  }
  return values;
}

std::string line_of(const Node& node) {
  std::string text = node.op_type + " '" + node.name + "' (";
  for (const std::string& input : node.inputs) text += input + ", ";
  text += ") -> (";
  for (const std::string& output : node.outputs) text += output + ", ";
  return text + ")" + (node.domain.empty() ? "" : " of " + node.domain);
}

std::string show(const Tensor& tensor) {
  std::string text = std::string(name_of(tensor.dtype())) + to_string(tensor.dims()) + " ";
  for (std::size_t i = 0; i < std::min<std::size_t>(tensor.bytes().size(), 24); ++i) {
    text += std::to_string(std::to_integer<int>(tensor.bytes()[i])) + " ";
  }
  return text;
}

/// Node for node, in order; attributes by name, since their order means nothing in ONNX.
void expect_same_nodes(const Graph& found, const Graph& expected) {
  const std::size_t count = std::max(found.nodes.size(), expected.nodes.size());
  for (std::size_t i = 0; i < count; ++i) {
    const std::string theirs =
        i < expected.nodes.size() ? line_of(expected.nodes[i]) : std::string("(no node)");
    const std::string ours =
        i < found.nodes.size() ? line_of(found.nodes[i]) : std::string("(no node)");
    ASSERT_EQ(ours, theirs) << "node " << i;
    EXPECT_EQ(attributes_of(found.nodes[i]), attributes_of(expected.nodes[i])) << ours;
  }
}

/// By name: the order of initializers means nothing. Types, dimensions and every byte.
void expect_same_constants(const Graph& found, const Graph& expected) {
  std::map<std::string, const Tensor*> ours;
  for (const Initializer& initializer : found.initializers) {
    ours[initializer.name] = &initializer.value;
  }
  std::set<std::string> names;
  for (const Initializer& initializer : expected.initializers) {
    names.insert(initializer.name);
    const auto match = ours.find(initializer.name);
    if (match == ours.end()) {
      ADD_FAILURE() << "no initializer '" << initializer.name << "'";
      continue;
    }
    EXPECT_EQ(*match->second, initializer.value)
        << "'" << initializer.name << "'\n  ours   " << show(*match->second) << "\n  theirs "
        << show(initializer.value);
  }
  for (const auto& [name, value] : ours)
    EXPECT_TRUE(names.contains(name)) << "extra '" << name << "'";
}

void expect_same_graphs(const Graph& found, const Graph& expected) {
  expect_same_nodes(found, expected);
  expect_same_constants(found, expected);
  EXPECT_EQ(found.outputs, expected.outputs);
  EXPECT_EQ(found.inputs.size(), expected.inputs.size());
  if (testing::Test::HasFailure()) return;
  // The peer writes attributes in the order of their names.
  std::map<std::pair<std::size_t, std::string>, BodyPlace> places;
  for (const BodyPlace& place : bodies_of(found)) places[{place.node, place.attribute}] = place;
  for (const BodyPlace& place : bodies_of(expected)) {
    SCOPED_TRACE(place.attribute + " of " + expected.nodes[place.node].name);
    ASSERT_TRUE(places.contains({place.node, place.attribute}));
    expect_same_graphs(body_at(found, places[{place.node, place.attribute}]),
                       body_at(expected, place));
  }
  EXPECT_EQ(places.size(), bodies_of(expected).size());
}

std::map<std::string, std::int64_t> opsets_of(const Model& model) {
  std::map<std::string, std::int64_t> versions;
  for (const OpsetImport& import : model.opset_imports) versions[import.domain] = import.version;
  return versions;
}

class Golden : public testing::TestWithParam<std::size_t> {};

TEST_P(Golden, GivesWhatThePythonQuantizerGives) {
  const Json& record = Corpus::get().document["cases"][GetParam()];
  const auto name = record["model"].get<std::string>();
  const Model model = load_model(kFolder / "models" / (name + ".onnx"));
  QuantizationConfig config = test::config_from(record["options"]);
  config.profile = QuantizationProfile::kOnnxRuntime132;
  const CalibrationTable table = table_of(Corpus::get().document["ranges"][name]);
  Model found = apply(plan_quantization(model, table, config), model);
  if (record.contains("peer_error")) return;  // planish gives a model where the peer fails
  const auto begin = record["expected"][0].get<std::size_t>();
  const auto size = record["expected"][1].get<std::size_t>();
  // Both forget what bodies read when they order nodes; reading a model puts that right.
  if (!bodies_of(model.graph).empty()) found = parse_model(serialize_model(found));
  const Model expected = parse_model(std::string_view(Corpus::get().expected).substr(begin, size));
  expect_same_graphs(found.graph, expected.graph);
  EXPECT_EQ(opsets_of(found), opsets_of(expected));
  EXPECT_EQ(found.producer_name, expected.producer_name);
  EXPECT_EQ(found.producer_version, expected.producer_version);
}

INSTANTIATE_TEST_SUITE_P(
    Recorded, Golden, testing::Range<std::size_t>(0, Corpus::get().document["cases"].size()),
    [](const auto& which) {
      auto name = Corpus::get().document["cases"][which.param]["name"].template get<std::string>();
      std::ranges::replace_if(
          name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
      return std::to_string(which.param) + "_" + name;
    });

}  // namespace
}  // namespace planish
