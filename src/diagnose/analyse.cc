// What graphs, and single runs, say without a clock.
#include <fmt/format.h>

#include <algorithm>

#include "diagnose/subjects.h"
#include "planish/base/error.h"
#include "planish/bench/bench.h"
#include "planish/prepare/verify.h"

namespace planish::diagnose_detail {
namespace {

/// Kernels that add in another order differ by about 1e-6 of the largest element in float32; a
/// Reshape that mixes samples, by as much as samples do.
constexpr double kBatchTolerance = 1e-3;

bool every_batch_is_open(const Signature& signature) {
  return !signature.inputs.empty() &&
         std::ranges::all_of(signature.inputs, [](const TensorSpec& input) {
           return !input.shape.empty() && !input.shape.front().number();
         });
}

/// Rows [row * size, ...) of `whole`, as many as `part` has, against `part`.
double row_error(const Tensor& whole, const Tensor& part, std::size_t row) {
  const std::size_t bytes = part.bytes().size();
  const auto rows = whole.bytes().subspan(row * bytes, bytes);
  return relative_error(
      Tensor(part.dtype(), part.dims(), std::vector<std::byte>(rows.begin(), rows.end())), part);
}

/// What is wrong with `both`, the answers to two samples at once, given those to each alone.
std::string batch_mismatch(const Signature& signature, const std::vector<Tensor>& both,
                           const std::array<std::vector<Tensor>, 2>& alone) {
  for (std::size_t i = 0; i < both.size(); ++i) {
    std::vector<std::int64_t> expected = alone[0][i].dims();
    if (expected.empty() || !row_of(both[i].dtype()).is_float) continue;
    const std::string& name = signature.outputs[i].name;
    expected.front() *= 2;
    if (both[i].dims() != expected) {
      return fmt::format("output '{}' of a batch of 2 is {}; one sample gives {}", name,
                         to_string(both[i].dims()), to_string(alone[0][i].dims()));
    }
    for (std::size_t row = 0; row < 2; ++row) {
      const double error = row_error(both[i], alone[row][i], row);
      if (error <= kBatchTolerance) continue;
      return fmt::format(
          "output '{}': sample {} in a batch of 2 gets another answer than alone, off by {:.1f} % "
          "of its largest element",
          name, row + 1, 100 * error);
    }
  }
  return {};
}

/// Two samples that are not the same, of batch 1.
std::optional<std::array<Sample, 2>> two_samples(const Subjects& subjects) {
  if (subjects.data) {
    if (subjects.data->size() < 2) return std::nullopt;
    return std::array{subjects.data->read(0), subjects.data->read(1)};
  }
  std::array<Sample, 2> samples;
  Signature one;
  for (const NamedTensor& input : subjects.inputs) {
    Shape shape(input.value.dims().begin(), input.value.dims().end());
    shape.front() = Dim(1);
    one.inputs.push_back({input.name, input.value.dtype(), std::move(shape)});
  }
  for (std::size_t i = 0; i < 2; ++i) samples[i].inputs = random_inputs(one, 1, 1, i + 1);
  return samples;
}

std::optional<BatchProbe> probe_batch(const Subjects& subjects, const Facts& facts) {
  if (subjects.inputs.empty() || !every_batch_is_open(facts.fp32_signature)) return std::nullopt;
  const auto samples = two_samples(subjects);
  if (!samples) return std::nullopt;
  std::vector<NamedTensor> stacked;
  try {
    stacked = stack_samples(*samples, 2);
  } catch (const Error&) {
    return std::nullopt;  // samples of different sizes
  }
  std::array<std::vector<Tensor>, 2> alone;
  for (std::size_t i = 0; i < 2; ++i)
    alone.at(i) = subjects.fp32_session->run(samples->at(i).inputs);
  BatchProbe probe;
  try {
    const std::vector<Tensor> both = subjects.fp32_session->run(stacked);
    probe.mismatch = batch_mismatch(facts.fp32_signature, both, alone);
  } catch (const Error& error) {
    probe.refused = error.message();
  }
  return probe;
}

}  // namespace

void analyse(const Subjects& subjects, Facts& facts) {
  facts.is_quantized = is_quantized(subjects.int8);
  facts.layers = int8_layers(subjects.int8.graph);
  if (facts.is_quantized) facts.fitted = retarget(subjects.int8, facts.target);
  facts.batch_probe = probe_batch(subjects, facts);
  if (subjects.int8_session && facts.is_quantized && !subjects.comparable)
    facts.lint = lint_model(subjects.int8);  // else with times: measure_speed
}

}  // namespace planish::diagnose_detail
