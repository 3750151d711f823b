#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pass_testing.h"
#include "support/graph_builder.h"

namespace planish::test {
namespace {

using ::testing::ElementsAre;

struct Padded {
  std::vector<std::int64_t> pads = {0, 0, 0, 1, 0, 0, 2, 3};
  std::vector<std::string> more_inputs = {};  // of Pad, after the pads
  Attributes pad = {};
  std::string reader = "Conv";
  Attributes reader_attributes = {};
  std::int64_t opset = 17;
};

Model folded(const Padded& padded) {
  std::vector<std::string> pad_inputs{"x"};
  Attributes attributes = padded.pad;
  if (padded.opset >= 11) {
    pad_inputs.push_back("pads");
  } else {
    attributes.emplace_back("pads", padded.pads);
  }
  pad_inputs.insert(pad_inputs.end(), padded.more_inputs.begin(), padded.more_inputs.end());
  const bool is_conv = padded.reader == "Conv";
  const Model model =
      GraphBuilder(padded.opset)
          .input("x", DType::kFloat32, {"N", 1, 8, 8})
          .initializer<std::int64_t>("pads", {static_cast<std::int64_t>(padded.pads.size())},
                                     padded.pads)
          .initializer<std::int64_t>("spatial", {2}, {2, 3})
          .initializer<std::int64_t>("channel", {2}, {1, -1})
          .initializer("zero", Tensor::scalar(0.0F))
          .initializer("one", Tensor::scalar(1.0F))
          .initializer<float>("w", {1, 1, 3, 3}, std::vector<float>(9, 1))
          .node("Pad", pad_inputs, {"p"}, attributes)
          .node(padded.reader,
                is_conv ? std::vector<std::string>{"p", "w"} : std::vector<std::string>{"p"}, {"y"},
                padded.reader_attributes)
          .output("y")
          .model();
  return passed(fold_pads, model).model;
}

/// The pads of the reader when it reads x directly; nothing when the Pad stays.
std::vector<std::int64_t> pads_after(const Padded& padded) {
  const Model model = folded(padded);
  const Node& reader = model.graph.nodes.at(1);
  return reader.input(0) == "x" ? reader.ints_attribute("pads") : std::vector<std::int64_t>();
}

const auto kStays = ::testing::IsEmpty();

TEST(FoldPads, ZerosBecomePaddingOfTheConv) {
  EXPECT_THAT(pads_after({}), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(pads_after({.more_inputs = {"zero"}}), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(pads_after({.opset = 10}), ElementsAre(0, 1, 2, 3));
}

TEST(FoldPads, AddsToThePaddingThatIsThere) {
  EXPECT_THAT(pads_after({.reader_attributes = {{"pads", ints({1, 1, 1, 1})}}}),
              ElementsAre(1, 2, 3, 4));
}

TEST(FoldPads, AxesSayWhatIsPadded) {
  EXPECT_THAT(pads_after({.pads = {0, 1, 2, 3}, .more_inputs = {"", "spatial"}, .opset = 18}),
              ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(pads_after({.pads = {1, 1, 1, 1}, .more_inputs = {"", "channel"}, .opset = 18}),
              kStays);
}

TEST(FoldPads, OtherValuesAndModesStay) {
  EXPECT_THAT(pads_after({.more_inputs = {"one"}}), kStays);
  EXPECT_THAT(pads_after({.pad = {{"mode", std::string("reflect")}}}), kStays);
  EXPECT_THAT(pads_after({.pad = {{"value", 1.0F}}, .opset = 10}), kStays);
}

TEST(FoldPads, PaddedChannelsAndCutEdgesStay) {
  EXPECT_THAT(pads_after({.pads = {0, 1, 0, 0, 0, 0, 0, 0}}), kStays);
  EXPECT_THAT(pads_after({.pads = {0, 0, -1, 0, 0, 0, 0, 0}}), kStays);
}

TEST(FoldPads, PaddingThatTheConvComputesItselfStays) {
  EXPECT_THAT(pads_after({.reader_attributes = {{"auto_pad", std::string("SAME_UPPER")}}}), kStays);
  EXPECT_THAT(pads_after({.reader_attributes = {{"auto_pad", std::string("VALID")}}}),
              ElementsAre(0, 1, 2, 3));
}

TEST(FoldPads, MaxPoolPadsWithMinusInfinityAndStays) {
  EXPECT_THAT(
      pads_after({.reader = "MaxPool", .reader_attributes = {{"kernel_shape", ints({4, 4})}}}),
      kStays);
}

TEST(FoldPads, AveragePoolCountsTheZeros) {
  const Model model =
      folded({.reader = "AveragePool", .reader_attributes = {{"kernel_shape", ints({4, 4})}}});
  EXPECT_THAT(model.graph.nodes[1].inputs, ElementsAre("x"));
  EXPECT_EQ(model.graph.nodes[1].int_attribute("count_include_pad", 0), 1);
}

TEST(FoldPads, AveragePoolThatDoesNotCountItsOwnPaddingStays) {
  EXPECT_THAT(pads_after({.reader = "AveragePool",
                          .reader_attributes = {{"kernel_shape", ints({4, 4})},
                                                {"pads", ints({1, 1, 1, 1})}}}),
              kStays);
}

TEST(FoldPads, AveragePoolPaddedBeyondItsKernelStays) {
  EXPECT_THAT(
      pads_after({.reader = "AveragePool", .reader_attributes = {{"kernel_shape", ints({3, 3})}}}),
      kStays);
}

}  // namespace
}  // namespace planish::test
