#include "planish/quantize/tensor_overrides.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/json.h"
#include "planish/quantize/plan.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"

namespace planish {
namespace {

using test::GraphBuilder;
using testing::HasSubstr;

constexpr DType kFloat = DType::kFloat32;

const char* const kEveryMember = R"({
  "x": [{"quant_type": "QUInt8", "rmin": -1.5, "rmax": 2,
         "convert": {"quant_type": "QUInt16", "symmetric": true, "recv_nodes": ["conv1"]}}],
  "y": [{"quant_type": "QInt8", "scale": 0.125, "zero_point": -3}],
  "w": [{"axis": 0, "quant_type": "QInt16", "reduce_range": true, "rmin": -1, "rmax": 1},
        {"quant_type": "QInt16", "reduce_range": true, "rmin": -2, "rmax": 2}],
  "b": [{}]
})";

TEST(TensorOverrides, ReadBackAsTheyAre) {
  const TensorOverrides overrides = parse_tensor_overrides(parse_json(kEveryMember));
  EXPECT_EQ(overrides.at("x").params.front().max, 2.0F);
  EXPECT_EQ(overrides.at("x").convert->readers, std::vector<std::string>{"conv1"});
  EXPECT_EQ(overrides.at("y").params.front().zero_point, -3);
  EXPECT_EQ(overrides.at("w").axis, 0);
  EXPECT_EQ(overrides.at("w").params.size(), 2U);
  EXPECT_FALSE(overrides.at("b").axis.has_value());
  EXPECT_EQ(parse_tensor_overrides(to_json(overrides)), overrides);
}

TEST(TensorOverrides, AreAFile) {
  const TemporaryFolder folder;
  write_file_atomically(folder.path() / "o.json", kEveryMember);
  EXPECT_EQ(load_tensor_overrides(folder.path() / "o.json").size(), 4U);
  EXPECT_THROW(load_tensor_overrides(folder.path() / "none.json"), Error);
}

std::string parse_error(const std::string& entries) {
  try {
    parse_tensor_overrides(parse_json(R"({"t": )" + entries + "}"));
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(TensorOverrides, ErrorsNameTensorAndMember) {
  const std::pair<const char*, const char*> cases[] = {
      {R"(3)", "list"},
      {R"([])", "list"},
      {R"([3])", "object"},
      {R"([{"typo": 1}])", "typo"},
      {R"([{"quant_type": "u8"}])", "QUInt8"},
      {R"([{"scale": 1}])", "zero_point"},
      {R"([{"zero_point": 1}])", "scale"},
      {R"([{"scale": 0, "zero_point": 1}])", "greater than 0"},
      {R"([{"scale": 1e300, "zero_point": 1}])", "finite"},
      {R"([{"scale": 1, "zero_point": 1.5}])", "zero_point"},
      {R"([{"scale": 1, "zero_point": 99999}])", "zero_point"},
      {R"([{"scale": 1, "zero_point": 0, "rmin": 1}])", "mean nothing beside"},
      {R"([{"rmin": 2, "rmax": 1}])", "rmin"},
      {R"([{}, {}])", "axis"},
      {R"([{"axis": 0, "rmin": 1}])", "come together"},
      {R"([{"axis": 0}, {"axis": 1}])", "channel 1"},
      {R"([{"axis": 0}, {"symmetric": true}])", "channel 0"},
      {R"([{"axis": 0}, {"scale": 1, "zero_point": 0}])", "for all channels"},
      {R"([{"axis": 0, "rmin": 0, "rmax": 1}, {}])", "for all channels"},
      {R"([{"axis": 0, "convert": {"quant_type": "QInt8"}}])", "convert"},
      {R"([{"convert": {}}])", "quant_type"},
      {R"([{"convert": {"quant_type": "QInt8", "reduce_range": true}}])", "reduce_range"},
      {R"([{"convert": {"quant_type": "QInt8", "recv_nodes": "a"}}])", "recv_nodes"},
      {R"([{"convert": {"quant_type": "QInt8", "recv_nodes": [1]}}])", "recv_nodes"},
  };
  for (const auto& [entries, named] : cases) {
    EXPECT_THAT(parse_error(entries), testing::AllOf(HasSubstr("'t'"), HasSubstr(named)))
        << entries;
  }
  EXPECT_THROW(parse_tensor_overrides(Json::array()), Error);
}

/// x → Conv a → Conv y.
Model two_convolutions() {
  return GraphBuilder(21)
      .input("x", kFloat, {1, 3, 8, 8})
      .initializer("w1", test::random_tensor({4, 3, 1, 1}, 1))
      .initializer("b1", test::random_tensor({4}, 2))
      .node("Conv", {"x", "w1", "b1"}, {"a"}, {}, "conv1")
      .value("a", kFloat, {1, 4, 8, 8})
      .initializer("w2", test::random_tensor({2, 4, 1, 1}, 3))
      .node("Conv", {"a", "w2"}, {"y"}, {}, "conv2")
      .output("y", kFloat, {1, 2, 8, 8})
      .model();
}

QuantizationPlan plan_with(const std::string& overrides, QuantizationConfig config = {}) {
  config.tensor_overrides = parse_tensor_overrides(parse_json(overrides));
  CalibrationTable table;
  for (const char* tensor : {"x", "a", "y"}) table.ranges[tensor] = {-1.0F, 1.0F};
  return plan_quantization(two_convolutions(), table, config);
}

TEST(TensorOverrides, HoldInProfileBestAndBothFormats) {
  for (const auto format : {QuantizationFormat::kQdq, QuantizationFormat::kQOperator}) {
    const QuantizationPlan plan = plan_with(
        R"({"a": [{"scale": 0.5, "zero_point": 7}], "w2": [{"rmin": -254, "rmax": 254}],
            "w1": [{"axis": 0, "quant_type": "QInt8"}]})",
        {.format = format, .weights = Granularity::kPerTensor});
    EXPECT_EQ(plan.find("a")->params.front(), (QuantizationParams{0.5F, 7, DType::kUInt8}));
    EXPECT_EQ(plan.find("w2")->params.front(), (QuantizationParams{2.0F, 0, DType::kInt8}));
    EXPECT_EQ(plan.find("w1")->params.size(), 4U);
  }
}

TEST(TensorOverrides, OneEntryHoldsForAllChannelsInProfileBest) {
  const QuantizationPlan plan = plan_with(R"({"w2": [{"axis": 0, "rmin": -127, "rmax": 127}]})");
  for (const QuantizationParams& channel : plan.find("w2")->params) {
    EXPECT_EQ(channel.scale, 1.0F);
  }
}

TEST(TensorOverrides, ATensorIsConvertedForTheReadersThatAreNamed) {
  const QuantizationPlan plan =
      plan_with(R"({"a": [{"convert": {"quant_type": "QUInt16", "recv_nodes": ["conv2"]}}]})");
  ASSERT_TRUE(plan.find("a")->conversion.has_value());
  EXPECT_EQ(plan.find("a")->conversion->params.dtype, DType::kUInt16);
  EXPECT_THAT(to_string(plan), HasSubstr("to u16"));
  for (const Json& tensor : to_json(plan)["tensors"]) {
    EXPECT_EQ(tensor.contains("conversion"), tensor["tensor"] == "a") << tensor;
  }
}

TEST(TensorOverrides, ThatDoNotFitTheModelAreRefused) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"none": [{}]})", "no such tensor"},
      {R"({"a": [{"axis": 0}]})", "initializers"},
      {R"({"a": [{"reduce_range": true}]})", "initializers"},
      {R"({"a": [{"scale": 1, "zero_point": -1}]})", "no uint8"},
      {R"({"a": [{"convert": {"quant_type": "QUInt8"}}]})", "already"},
      {R"({"w1": [{"convert": {"quant_type": "QUInt8"}}]})", "activations"},
      {R"({"w1": [{"axis": 4}]})", "axis 4"},
      {R"({"w1": [{"axis": 0}, {}]})", "expected one entry"},
      {R"({"w1": [{"scale": 1, "zero_point": 200}]})", "no int8"},
  };
  for (const auto& [overrides, named] : cases) {
    try {
      plan_with(overrides);
      ADD_FAILURE() << overrides << " was not refused";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument) << overrides;
      EXPECT_THAT(error.what(), HasSubstr(named)) << overrides;
    }
  }
}

TEST(TensorOverrides, OfSixteenBitsNeedTheOpsetOfSixteenBits) {
  Model old = two_convolutions();
  old.set_opset("", 17);
  QuantizationConfig config;
  config.tensor_overrides =
      parse_tensor_overrides(parse_json(R"({"a": [{"quant_type": "QUInt16"}]})"));
  CalibrationTable table;
  for (const char* tensor : {"x", "a", "y"}) table.ranges[tensor] = {-1.0F, 1.0F};
  EXPECT_THROW(plan_quantization(old, table, config), Error);
}

}  // namespace
}  // namespace planish
