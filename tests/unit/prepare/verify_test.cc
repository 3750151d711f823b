#include "planish/prepare/verify.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "planish/base/error.h"
#include "support/graph_builder.h"

namespace planish::test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

double error_of(const std::vector<float>& actual, const std::vector<float>& expected) {
  const auto dims = [](const auto& values) {
    return std::vector<std::int64_t>{static_cast<std::int64_t>(values.size())};
  };
  return relative_error(Tensor::of<float>(dims(actual), actual),
                        Tensor::of<float>(dims(expected), expected));
}

TEST(RelativeError, IsTheLargestDifferenceInTermsOfTheLargestValue) {
  EXPECT_EQ(error_of({1, -4, 2}, {1, -4, 1}), 0.25);
  EXPECT_EQ(error_of({3}, {0}), 3);  // nothing to be relative to
  EXPECT_EQ(error_of({}, {}), 0);
}

TEST(RelativeError, NanEqualsNanAndAnInfinityItself) {
  EXPECT_EQ(error_of({kNan, kInf, 1}, {kNan, kInf, 1}), 0);
  EXPECT_EQ(error_of({kNan}, {1}), kInf);
  EXPECT_EQ(error_of({1}, {kNan}), kInf);
  EXPECT_EQ(error_of({kInf}, {-kInf}), kInf);
}

TEST(RelativeError, OtherTypesAndShapesAreInfinitelyFar) {
  const Tensor two = Tensor::of<float>({2}, {1, 2});
  EXPECT_EQ(relative_error(two, Tensor::of<float>({2, 1}, {1, 2})), kInf);
  EXPECT_EQ(relative_error(two, Tensor::of<double>({2}, {1, 2})), kInf);
  EXPECT_EQ(relative_error(Tensor::of<std::int64_t>({1}, {1}), Tensor::of<std::int64_t>({1}, {2})),
            kInf);
}

/// y = x * factor.
Model scaling(float factor, Shape shape = {"N", 3}) {
  return GraphBuilder()
      .input("x", DType::kFloat32, shape)
      .initializer("factor", Tensor::scalar(factor))
      .node("Mul", {"x", "factor"}, {"y"})
      .output("y", DType::kFloat32, shape)
      .model();
}

TEST(VerifyEquivalent, SaysHowFarOutputsAreApart) {
  EXPECT_EQ(verify_equivalent(scaling(2), scaling(2)).max_relative_error, 0);
  EXPECT_EQ(verify_equivalent(scaling(2), scaling(4)).max_relative_error, 1);
}

TEST(VerifyEquivalent, AModelThatCannotRunIsInfinitelyFar) {
  EXPECT_EQ(verify_equivalent(scaling(2), scaling(2, {"N", 4})).max_relative_error, kInf);
}

TEST(ReferenceOf, DrawsABatchOfTwoAndOneOfOne) {
  const Reference reference = reference_of(scaling(2));
  ASSERT_EQ(reference.inputs.size(), 2U) << reference.unusable_because;
  EXPECT_EQ(reference.inputs[0][0].value.dims(), (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(reference.inputs[1][0].value.dims(), (std::vector<std::int64_t>{1, 3}));
}

TEST(ReferenceOf, IsTheSameForTheSameSeed) {
  const VerifyConfig other{.seed = 2};
  EXPECT_EQ(reference_of(scaling(2)).outputs, reference_of(scaling(2)).outputs);
  EXPECT_NE(reference_of(scaling(2)).outputs, reference_of(scaling(2), other).outputs);
}

TEST(ReferenceOf, FindsSizesThatTheModelAccepts) {
  // A kernel of 100 x 100 needs an image at least as large; one of a fixed length needs that one.
  const Model large = GraphBuilder()
                          .input("x", DType::kFloat32, {1, 1, "H", "W"})
                          .node("MaxPool", {"x"}, {"y"}, {{"kernel_shape", ints({100, 100})}})
                          .output("y", DType::kFloat32, {1, 1, "h", "w"})
                          .model();
  const Reference reference = reference_of(large);
  ASSERT_EQ(reference.inputs.size(), 1U) << reference.unusable_because;
  EXPECT_EQ(reference.inputs[0][0].value.dims(), (std::vector<std::int64_t>{1, 1, 224, 224}));
}

TEST(ReferenceOf, UsesExamplesInPlaceOfRandomInputs) {
  const Tensor x = Tensor::of<float>({1, 3}, {1, 2, 3});
  const VerifyConfig config{.examples = {{NamedTensor{"x", x}}}};
  const Reference reference = reference_of(scaling(2), config);
  ASSERT_EQ(reference.inputs.size(), 1U);
  EXPECT_EQ(reference.outputs[0][0], Tensor::of<float>({1, 3}, {2, 4, 6}));
}

TEST(ReferenceOf, SaysWhyItCannotBeMade) {
  const Model random = GraphBuilder()
                           .input("x", DType::kFloat32, {64})
                           .node("RandomUniformLike", {"x"}, {"y"})
                           .output("y", DType::kFloat32, {64})
                           .model();
  EXPECT_EQ(reference_of(random).unusable_because, "the model answers the same input differently");
  const VerifyConfig wrong{.examples = {{NamedTensor{"z", Tensor::scalar(1.0F)}}}};
  const Reference reference = reference_of(scaling(2), wrong);
  EXPECT_TRUE(reference.inputs.empty());
  EXPECT_NE(reference.unusable_because.find("'z'"), std::string::npos);
}

TEST(ReferenceOf, IndicesThatNeedAMinimumAreTriedAsOnes) {
  // An index of 0 is out of the range of data of size 1 shifted by one.
  const Model model = GraphBuilder()
                          .input("i", DType::kInt64, {8})
                          .initializer<std::int64_t>("one", {1}, {1})
                          .initializer<float>("table", {1}, {5})
                          .node("Sub", {"one", "i"}, {"j"})
                          .node("Add", {"j", "j"}, {"k"})
                          .node("Gather", {"table", "k"}, {"y"})
                          .output("y", DType::kFloat32, {8})
                          .model();
  const Reference reference = reference_of(model);
  ASSERT_EQ(reference.inputs.size(), 1U) << reference.unusable_because;
  EXPECT_EQ(reference.inputs[0][0].value.to_ints(), std::vector<std::int64_t>(8, 1));
}

TEST(ReferenceOf, MeasuresWhatRoundingDoesToTheModel) {
  // x * 2 moves by at most one unit in the last place, 2^-23.
  const Reference scaled = reference_of(scaling(2));
  EXPECT_GT(scaled.rounding_effect, 0);
  EXPECT_LE(scaled.rounding_effect, std::ldexp(1.0, -23));
  // sin(1e6 x) moves by 1e6 |x| 2^-24 and more.
  const Model chaotic = GraphBuilder()
                            .input("x", DType::kFloat32, {64})
                            .initializer("much", Tensor::scalar(1e6F))
                            .node("Mul", {"x", "much"}, {"m"})
                            .node("Sin", {"m"}, {"y"})
                            .output("y", DType::kFloat32, {64})
                            .model();
  EXPECT_GT(reference_of(chaotic).rounding_effect, 1e-3);
}

TEST(AllowedError, IsTheToleranceUnlessRoundingAloneDoesMore) {
  EXPECT_EQ(allowed_error(1e-4, 1e-7), 1e-4);
  EXPECT_EQ(allowed_error(1e-4, 1e-2), 0.16);
  EXPECT_EQ(allowed_error(0, 1e-2), 0) << "what moves no bit cannot be blamed on rounding";
}

TEST(ReferenceOf, InputsLargerThanAnyModelTakesAreNotMade) {
  const std::int64_t huge = std::int64_t{1} << 40;
  EXPECT_NE(reference_of(scaling(2, {huge, 3})).unusable_because.find("too large"),
            std::string::npos);
}

}  // namespace
}  // namespace planish::test
