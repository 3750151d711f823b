// Every operator computes what torch computes: the cases of tests/golden/torch, at both ends of the
// opsets that are written.
#include "torch/operators.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "golden_archives.h"
#include "planish/base/file.h"
#include "planish/torch/import.h"
#include "support/paths.h"
#include "support/throws.h"
#include "torch/archive.h"

namespace planish {
namespace {

using test::GoldenCase;
using test::GoldenRun;

Model imported(const GoldenCase& golden, std::int64_t opset) {
  TorchImportConfig config;
  config.opset = opset;
  return import_torch_export(std::as_bytes(std::span(golden.archive)), nullptr, config).model;
}

/// A case is at most a handful of operators on numbers around 1 that sum up at most K = 100
/// products: each rounds with 2^-24, a sum of K with K 2^-24; 20 times 6e-6 covers a chain of them.
/// Relative to the largest element, since elements that cancel keep the error of their terms.
constexpr double kTolerance = 20 * 100 * 0x1p-24;

double number_at(const Tensor& tensor, std::size_t i) {
  if (row_of(tensor.dtype()).is_float) {
    return tensor.dtype() == DType::kFloat64 ? tensor.values<double>()[i] : tensor.to_floats()[i];
  }
  return static_cast<double>(tensor.to_ints()[i]);
}

void expect_close(const Tensor& actual, const Tensor& expected, const std::string& what) {
  ASSERT_EQ(actual.dims(), expected.dims()) << what;
  ASSERT_EQ(name_of(actual.dtype()), name_of(expected.dtype())) << what;
  double largest = 0.0;
  for (std::size_t i = 0; i < expected.element_count(); ++i) {
    const double number = std::abs(number_at(expected, i));
    if (std::isfinite(number)) largest = std::max(largest, number);
  }
  const bool exact = !row_of(expected.dtype()).is_float;
  for (std::size_t i = 0; i < expected.element_count(); ++i) {
    const double a = number_at(actual, i);
    const double e = number_at(expected, i);
    if (a == e || (std::isnan(a) && std::isnan(e))) continue;
    ASSERT_LE(std::abs(a - e), exact ? 0.0 : kTolerance * largest)
        << what << ", element " << i << ": " << a << ", torch says " << e;
  }
}

class OperatorGolden : public testing::TestWithParam<std::string> {};

/// Cases with operators that ONNX has only from some opset on.
const std::map<std::string, std::int64_t> kFirstOpset{
    {"bits_of_integers", 18},
    {"bits_of_integers.core", 18},
    {"grid_sample_volume", 20},
};

TEST_P(OperatorGolden, ComputesWhatTorchComputes) {
  const GoldenCase& golden = test::golden_case(GetParam());
  const auto first = kFirstOpset.find(golden.name);
  const std::int64_t lowest = first == kFirstOpset.end() ? kMinImportOpset : first->second;
  for (const std::int64_t opset : {lowest, kMaxImportOpset}) {
    const Model model = imported(golden, opset);
    ASSERT_EQ(model.opset(), opset);
    const auto session = open_session(model);
    const auto& inputs = model.graph.inputs;
    for (const GoldenRun& run : golden.runs) {
      ASSERT_EQ(inputs.size(), run.inputs.size());
      std::vector<NamedTensor> named;
      for (std::size_t i = 0; i < inputs.size(); ++i)
        named.push_back({inputs[i].name, run.inputs[i]});
      const std::vector<Tensor> outputs = session->run(named);
      ASSERT_EQ(outputs.size(), run.outputs.size());
      for (std::size_t i = 0; i < outputs.size(); ++i) {
        expect_close(outputs[i], run.outputs[i],
                     "opset " + std::to_string(opset) + ", output " + std::to_string(i));
      }
    }
  }
}

std::vector<std::string> case_names() {
  std::vector<std::string> names;
  for (const GoldenCase& golden : test::golden_cases()) names.push_back(golden.name);
  return names;
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::ranges::replace(name, '.', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Torch, OperatorGolden, testing::ValuesIn(case_names()), test_name);

/// Rows that no case calls: they are refused, or torch writes them in other programs only.
const std::set<std::string_view> kUncovered{
    "aten._native_batch_norm_legit.default",
    "aten._native_batch_norm_legit_functional.default",
    "aten.bernoulli.default",
    "aten.bernoulli.p",
    "aten.lift_fresh.default",
    "aten.rand.default",
    "aten.rand_like.default",
    "aten.randn.default",
    "aten.randn_like.default",
};

TEST(Operators, WhatNeedsANewerOpsetSaysWhich) {
  for (const auto& [name, opset] : kFirstOpset) {
    const GoldenCase& golden = test::golden_case(name);
    const std::string option = "--opset " + std::to_string(opset);
    EXPECT_TRUE(test::throws(ErrorCode::kUnsupported,
                             [&] { (void)imported(golden, kMinImportOpset); }, {option}))
        << name;
  }
}

TEST(Operators, EveryRowHasAGoldenCase) {
  std::set<std::string_view> called;
  for (const GoldenCase& golden : test::golden_cases()) {
    torch::Archive archive(std::as_bytes(std::span(golden.archive)), nullptr);
    const torch::ExportedProgram program = archive.program({});
    for (const torch::FxNode& node : program.graph.nodes) {
      if (const auto* row = torch::find_operator(node.target)) called.insert(row->overload);
    }
  }
  std::string missing;
  for (const torch::OperatorRow& row : torch::operator_rows()) {
    if (!called.contains(row.overload) && !kUncovered.contains(row.overload))
      missing += "\n  " + std::string(row.overload);
  }
  EXPECT_EQ(missing, "") << "add a case to tests/golden/torch/cases_*.py, or name the row in "
                            "kUncovered";
}

TEST(Operators, TheDocumentIsTheTable) {
  const std::string document = read_file(test::source_folder() / "docs/torch-operators.md");
  EXPECT_NE(document.find(torch_operators_markdown()), std::string::npos)
      << "write it again: planish ops --torch";
}

}  // namespace
}  // namespace planish
