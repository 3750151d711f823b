#include "planish/compare/compare.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/json.h"
#include "planish/compare/metrics.h"
#include "support/fake_dataset.h"
#include "support/fake_session.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"
#include "support/throws.h"

namespace planish {
namespace {

using test::FakeDataset;
using test::FakeSession;
using test::throws;

Tensor row(std::vector<float> values) {
  const auto count = static_cast<std::int64_t>(values.size());
  return Tensor::of<float>({1, count}, values);
}

// Sample i is the tensor [1, 1] that holds i; the session answers with row i of `answers`.
FakeSession session_of(std::vector<std::vector<float>> answers, std::string output = "scores") {
  Signature signature{.inputs = {{"x", DType::kFloat32, {1, 1}}},
                      .outputs = {{std::move(output), DType::kFloat32, {}}}};
  return FakeSession(
      std::move(signature), [answers = std::move(answers)](std::span<const NamedTensor> inputs) {
        const float number = inputs[0].value.values<float>()[0];
        return std::vector<Tensor>{row(answers.at(static_cast<std::size_t>(number)))};
      });
}

FakeDataset numbers(std::size_t count) {
  FakeDataset data("x");
  for (std::size_t i = 0; i < count; ++i) data.add(row({static_cast<float>(i)}));
  return data;
}

class CompareWithLabels : public testing::Test {
 protected:
  Labels labels(const std::string& lines) {
    std::ofstream(folder_.path() / "labels.csv") << lines;
    return Labels::load(folder_.path() / "labels.csv");
  }
  TemporaryFolder folder_;
};

TEST(Compare, EqualModelsAgreeCompletely) {
  FakeSession a = session_of({{1, 2, 3}, {3, -1, 0}});
  FakeSession b = session_of({{1, 2, 3}, {3, -1, 0}});
  const AccuracyReport report = compare(a, b, numbers(2), nullptr);
  EXPECT_EQ(report.samples, 2U);
  EXPECT_TRUE(report.is_classifier);
  EXPECT_EQ(report.top1_agreement, 1.0);
  EXPECT_EQ(report.topk_agreement, 1.0);
  EXPECT_EQ(report.cosine_mean, 1.0);
  EXPECT_EQ(report.cosine_min, 1.0);
  EXPECT_EQ(report.max_abs_error, 0.0);
  EXPECT_EQ(report.sqnr_db, std::numeric_limits<double>::infinity());
  EXPECT_EQ(report.labelled_samples, 0U);
  EXPECT_EQ(report.fp32_top1, std::nullopt);
}

TEST(Compare, MeasuresAsTheEquationsSay) {
  // cosines: 24/25 and 1. Energies: 25 + 4, noise 2 + 1.
  FakeSession a = session_of({{3, 4}, {0, 2}});
  FakeSession b = session_of({{4, 3}, {0, 3}});
  const AccuracyReport report = compare(a, b, numbers(2), nullptr);
  EXPECT_DOUBLE_EQ(report.cosine_min, 24.0 / 25.0);
  EXPECT_DOUBLE_EQ(report.cosine_mean, (24.0 / 25.0 + 1.0) / 2);
  EXPECT_DOUBLE_EQ(report.sqnr_db, 10.0 * std::log10(29.0 / 3.0));
  EXPECT_EQ(report.max_abs_error, 1.0);
  EXPECT_EQ(report.top1_agreement, 0.5);
  ASSERT_EQ(report.outputs.size(), 1U);
  EXPECT_EQ(report.outputs[0].name, "scores");
  EXPECT_EQ(report.outputs[0].cosine_mean, report.cosine_mean);
}

TEST(Compare, SingleValuesAreOneVectorOverAllSamples) {
  FakeSession a = session_of({{1.0F}, {0.5F}, {0.0F}});
  FakeSession b = session_of({{0.5F}, {1.0F}, {0.0F}});
  const AccuracyReport report = compare(a, b, numbers(3), nullptr);
  EXPECT_DOUBLE_EQ(report.cosine_mean, 1.0 / 1.25);
  EXPECT_DOUBLE_EQ(report.cosine_min, 1.0 / 1.25);
  EXPECT_FALSE(judge(report, {.max_drop = 1.0, .min_cosine = 0.9}).accepted());
  EXPECT_EQ(report.worst.back().name, "sample_2");  // nothing differs there
}

TEST(Compare, ZeroVectorsHaveADefinedCosine) {
  FakeSession a = session_of({{0, 0}, {0, 0}, {1, 0}});
  FakeSession b = session_of({{0, 0}, {0, 1}, {0, 0}});
  const AccuracyReport report = compare(a, b, numbers(3), nullptr);
  EXPECT_EQ(report.sample_cosines, (std::vector<double>{1, 0, 0}));
}

TEST(Compare, TopKSharesClassesWhateverTheirOrder) {
  FakeSession a = session_of({{9, 8, 7, 1, 0}});
  FakeSession b = session_of({{8, 9, 1, 7, 0}});
  const AccuracyReport report = compare(a, b, numbers(1), nullptr, {.k = 3});
  EXPECT_EQ(report.top1_agreement, 0.0);
  EXPECT_DOUBLE_EQ(*report.topk_agreement, 2.0 / 3.0);
}

TEST(Compare, OfEqualScoresTheFirstClassCounts) {
  FakeSession a = session_of({{5, 5, 1}});
  FakeSession b = session_of({{5, 4, 1}});
  EXPECT_EQ(compare(a, b, numbers(1), nullptr).top1_agreement, 1.0);
}

TEST(Compare, AnOutputWithoutClassesIsJudgedByItsValues) {
  FakeSession a = session_of({{1}});
  FakeSession b = session_of({{2}});
  const AccuracyReport report = compare(a, b, numbers(1), nullptr);
  EXPECT_FALSE(report.is_classifier);
  EXPECT_EQ(report.top1_agreement, std::nullopt);
}

TEST(Compare, AnEmbeddingIsNotAClassifierWhenToldSo) {
  FakeSession a = session_of({{1, 2}});
  const CompareConfig config{.meaning = OutputMeaning::kValues};
  EXPECT_FALSE(compare(a, a, numbers(1), nullptr, config).is_classifier);
  FakeSession scalar = session_of({{1}});
  EXPECT_TRUE(throws(
      ErrorCode::kInvalidArgument,
      [&] { compare(scalar, scalar, numbers(1), nullptr, {.meaning = OutputMeaning::kClasses}); },
      {"[1, 1]", "[N, classes]"}));
}

TEST_F(CompareWithLabels, CountsTheAccuracyOfBothOnLabelledSamples) {
  FakeSession a = session_of({{9, 1}, {9, 1}, {1, 9}, {1, 9}});
  FakeSession b = session_of({{9, 1}, {1, 9}, {9, 1}, {1, 9}});
  const Labels known = labels("sample_0,0\nsample_1,0\nsample_3,0\n");
  const AccuracyReport report = compare(a, b, numbers(4), &known);
  EXPECT_EQ(report.labelled_samples, 3U);
  EXPECT_DOUBLE_EQ(*report.fp32_top1, 2.0 / 3.0);
  EXPECT_DOUBLE_EQ(*report.int8_top1, 1.0 / 3.0);
}

TEST_F(CompareWithLabels, RefusesALabelThatIsNoClass) {
  FakeSession a = session_of({{9, 1}});
  const Labels known = labels("sample_0,7\n");
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { compare(a, a, numbers(1), &known); },
                     {"sample_0", "label 7", "0 to 1"}));
}

TEST_F(CompareWithLabels, NamesTheWorstSamplesWithBothAnswers) {
  FakeSession a = session_of({{1, 0}, {1, 0}, {1, 0}});
  FakeSession b = session_of({{1, 0}, {0, 1}, {1, 0.5F}});
  const Labels known = labels("sample_1,0\n");
  const AccuracyReport report = compare(a, b, numbers(3), &known, {.worst = 2});
  ASSERT_EQ(report.worst.size(), 2U);
  EXPECT_EQ(report.worst[0].name, "sample_1");
  EXPECT_EQ(report.worst[0].reference_top1, 0);
  EXPECT_EQ(report.worst[0].candidate_top1, 1);
  EXPECT_EQ(report.worst[0].label, 0);
  EXPECT_EQ(report.worst[1].name, "sample_2");
}

TEST(Compare, ReportsNonFiniteOutputsOfTheCandidate) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  FakeSession a = session_of({{1, 0}, {1, 0}});
  FakeSession b = session_of({{1, 0}, {nan, 0}});
  const AccuracyReport report = compare(a, b, numbers(2), nullptr);
  ASSERT_EQ(report.non_finite.size(), 1U);
  EXPECT_EQ(report.non_finite[0].name, "sample_1");
  EXPECT_EQ(report.cosine_min, 0.0);
  EXPECT_EQ(report.top1_agreement, 0.5);
  EXPECT_FALSE(judge(report, {.max_drop = 1.0, .min_cosine = 0.0}).accepted());
}

TEST(Compare, RefusesAReferenceThatIsNotFinite) {
  FakeSession a = session_of({{1, 0}, {std::numeric_limits<float>::infinity(), 0}});
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { compare(a, a, numbers(2), nullptr); },
                     {"sample_1", "'scores'"}));
}

TEST(Compare, RefusesOutputsThatDoNotMatch) {
  FakeSession a = session_of({{1, 2}});
  FakeSession other_name = session_of({{1, 2}}, "logits");
  FakeSession other_shape = session_of({{1, 2, 3}});
  const auto code = ErrorCode::kInvalidArgument;
  EXPECT_TRUE(
      throws(code, [&] { compare(a, other_name, numbers(1), nullptr); }, {"'logits'", "'scores'"}));
  EXPECT_TRUE(
      throws(code, [&] { compare(a, other_shape, numbers(1), nullptr); }, {"[1, 3]", "[1, 2]"}));
  EXPECT_TRUE(throws(code, [&] { compare(a, a, numbers(1), nullptr, {.output = "boxes"}); },
                     {"'boxes'", "'scores'"}));
}

TEST(Compare, JudgesTheChosenOutputAndReportsAll) {
  const Signature signature{
      .inputs = {{"x", DType::kFloat32, {1, 1}}},
      .outputs = {{"boxes", DType::kFloat32, {}}, {"ids", DType::kInt64, {}}}};
  const auto answer = [](std::int64_t id) {
    return [id](std::span<const NamedTensor>) {
      return std::vector<Tensor>{row({1, 2}), Tensor::of<std::int64_t>({1}, std::vector{id})};
    };
  };
  FakeSession a(signature, answer(3));
  FakeSession b(signature, answer(5));
  const AccuracyReport report = compare(a, b, numbers(1), nullptr, {.output = "ids"});
  EXPECT_EQ(report.max_abs_error, 2.0);
  ASSERT_EQ(report.outputs.size(), 2U);
  EXPECT_EQ(report.outputs[0].max_abs_error, 0.0);
  EXPECT_EQ(report.outputs[1].max_abs_error, 2.0);
  EXPECT_FALSE(report.is_classifier);
}

TEST(Compare, FindsTheCandidatesOutputsByName) {
  const auto signature = [](const char* first, const char* second) {
    return Signature{.inputs = {{"x", DType::kFloat32, {1, 1}}},
                     .outputs = {{first, DType::kFloat32, {}}, {second, DType::kFloat32, {}}}};
  };
  FakeSession a(signature("p", "q"), [](std::span<const NamedTensor>) {
    return std::vector<Tensor>{row({1, 2}), row({3, 4})};
  });
  FakeSession b(signature("q", "p"), [](std::span<const NamedTensor>) {
    return std::vector<Tensor>{row({3, 4}), row({1, 2})};
  });
  EXPECT_EQ(compare(a, b, numbers(1), nullptr).max_abs_error, 0.0);
}

TEST(Compare, FailsOnABadSampleOrLeavesItOutByName) {
  FakeSession a = session_of({{1, 2}});
  FakeDataset data = numbers(1);
  data.add_broken();
  EXPECT_TRUE(throws(ErrorCode::kCorrupt, [&] { compare(a, a, data, nullptr); }, {"sample_1"}));
  const CompareConfig config{.on_bad_sample = OnBadSample::kSkip};
  const AccuracyReport report = compare(a, a, data, nullptr, config);
  EXPECT_EQ(report.samples, 1U);
  ASSERT_EQ(report.bad_samples.size(), 1U);
  EXPECT_EQ(report.bad_samples[0].name, "sample_1");
}

TEST(Compare, DoesNotDependOnThreads) {
  std::vector<std::vector<float>> first;
  std::vector<std::vector<float>> second;
  for (std::uint64_t i = 0; i < 100; ++i) {
    first.push_back(test::random_floats(10, i));
    second.push_back(test::random_floats(10, i + 1000));
  }
  FakeSession a = session_of(first);
  FakeSession b = session_of(second);
  const auto json = [&](int threads) {
    return to_json(compare(a, b, numbers(100), nullptr, {.threads = threads}));
  };
  EXPECT_EQ(json(4), json(1));
}

TEST(Comparison, RunsTheReferenceOnceForManyCandidates) {
  FakeSession reference = session_of({{1, 0}, {0, 1}});
  FakeSession candidate = session_of({{1, 0.1F}, {0, 1}});
  const FakeDataset data = numbers(2);
  Comparison comparison(reference, data, nullptr, {});
  const Json first = to_json(comparison.compare(candidate));
  EXPECT_EQ(to_json(comparison.compare(candidate)), first);
  EXPECT_EQ(reference.runs(), 2U);
  EXPECT_EQ(candidate.runs(), 4U);
}

TEST(Comparison, RunsTheReferenceAgainWhereItsOutputsWereTooLargeToKeep) {
  FakeSession reference = session_of({{1, 0}, {0, 1}});
  const FakeDataset data = numbers(2);
  Comparison comparison(reference, data, nullptr, {.max_kept_bytes = 8});  // one sample's
  FakeSession candidate = session_of({{1, 0.1F}, {0, 1}});
  const Json first = to_json(comparison.compare(candidate));
  EXPECT_EQ(to_json(comparison.compare(candidate)), first);
  EXPECT_EQ(reference.runs(), 3U);
}

TEST(Compare, WorksOnRealSessions) {
  const auto model = [](float scale) {
    return test::GraphBuilder()
        .input("x", DType::kFloat32, {1, 1})
        .initializer<float>("w", {1, 3}, {1, 2 * scale, 3})
        .node("MatMul", {"x", "w"}, {"scores"})
        .output("scores", DType::kFloat32, {1, 3})
        .model();
  };
  const auto a = open_session(model(1));
  const auto b = open_session(model(1.5F));
  const AccuracyReport report = compare(*a, *b, numbers(3), nullptr);
  EXPECT_EQ(report.sample_cosines[0], 1.0);  // zero on both sides
  EXPECT_NEAR(report.sample_cosines[1], 16.0 / std::sqrt(14.0 * 19.0), 1e-15);
  EXPECT_EQ(report.max_abs_error, 2.0);
}

TEST(ClassProbabilities, AreTheSoftmaxOfScores) {
  const std::vector<float> scores{std::log(1.0F), std::log(2.0F), std::log(5.0F)};
  const auto p = class_probabilities(scores);
  // float32 logarithms: relative errors of 2^-24 of values below 2.
  EXPECT_NEAR(p[0], 0.125, 1e-6);
  EXPECT_NEAR(p[1], 0.25, 1e-6);
  EXPECT_NEAR(p[2], 0.625, 1e-6);
  const std::vector<float> huge{1000.0F, 0.0F};
  EXPECT_EQ(class_probabilities(huge)[0], 1.0);
}

TEST(ClassProbabilities, OfAModelThatEndsInSoftmaxAreItsOutput) {
  const std::vector<float> scores{0.25F, 0.75F};
  EXPECT_EQ(class_probabilities(scores), (std::vector<double>{0.25, 0.75}));
}

TEST(KlDivergence, IsZeroForEqualAndFiniteForMissingClasses) {
  const std::vector<double> p{0.5, 0.5};
  const std::vector<double> q{1.0, 0.0};
  EXPECT_EQ(kl_divergence(p, p), 0.0);
  EXPECT_NEAR(kl_divergence(q, p), std::log(2.0), 1e-15);
  EXPECT_TRUE(std::isfinite(kl_divergence(p, q)));
  EXPECT_GT(kl_divergence(p, q), 10.0);
}

}  // namespace
}  // namespace planish
