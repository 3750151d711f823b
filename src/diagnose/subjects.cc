#include "diagnose/subjects.h"

#include <algorithm>

#include "diagnose/spread_dataset.h"
#include "planish/base/error.h"
#include "planish/bench/bench.h"
#include "planish/import/import.h"

namespace planish::diagnose_detail {
namespace {

/// The number that every input has in front, when they have the same; nothing when one is open.
std::optional<std::size_t> fixed_batch_of(const Signature& signature) {
  std::optional<std::int64_t> batch;
  for (const TensorSpec& input : signature.inputs) {
    if (input.shape.empty()) continue;
    const auto number = input.shape.front().number();
    if (!number || *number <= 0 || (batch && batch != number)) return std::nullopt;
    batch = number;
  }
  if (!batch) return std::nullopt;
  return static_cast<std::size_t>(*batch);
}

/// Random numbers of the dimensions that inspection took for symbolic ones.
std::vector<NamedTensor> random_inputs_for(const Facts& facts) {
  Signature signature = facts.fp32_signature;
  for (TensorSpec& input : signature.inputs) {
    for (std::size_t i = 1; i < input.shape.size(); ++i) {
      if (input.shape[i].number()) continue;
      const auto symbol =
          input.shape[i].symbol().value_or(input.name + "[" + std::to_string(i) + "]");
      const auto assumed = facts.inspection.assumed_dims.find(symbol);
      if (assumed != facts.inspection.assumed_dims.end()) input.shape[i].value = assumed->second;
    }
  }
  return random_inputs(signature, facts.batch, 1);
}

std::vector<NamedTensor> inputs_from(const Dataset& data, std::size_t batch) {
  std::vector<Sample> samples;
  for (std::size_t i = 0; i < std::min(batch, data.size()); ++i) samples.push_back(data.read(i));
  return stack_samples(samples, batch);
}

void open_int8(Subjects& subjects, Facts& facts) {
  try {
    subjects.int8_session = open_session(subjects.int8, facts.config.session);
    facts.int8_signature = subjects.int8_session->signature();
  } catch (const Error& error) {
    facts.int8_refused = error.message();
  }
}

void choose_inputs(Subjects& subjects, Facts& facts) {
  if (subjects.data) {
    subjects.inputs = inputs_from(*subjects.data, facts.batch);
    subjects.fp32_session->run(subjects.inputs);
    return;
  }
  try {
    subjects.inputs = random_inputs_for(facts);
    subjects.fp32_session->run(subjects.inputs);
  } catch (const Error& error) {
    // Random numbers are not what every model accepts.
    facts.no_inputs_because = error.message();
    subjects.inputs.clear();
  }
}

double seconds_of_a_run(Session& session, const std::vector<NamedTensor>& inputs) {
  const Clock& clock = steady_clock();
  const auto start = clock.now();
  session.run(inputs);
  return std::chrono::duration<double>(clock.now() - start).count();
}

void try_int8(Subjects& subjects, Facts& facts) {
  if (!subjects.int8_session || subjects.inputs.empty()) return;
  try {
    require_match(*facts.int8_signature, subjects.inputs);
  } catch (const Error&) {
    return;  // another signature: a finding of its own
  }
  try {
    subjects.int8_session->run(subjects.inputs);  // the first run of a session is no measure
    facts.run_seconds = std::max(seconds_of_a_run(*subjects.fp32_session, subjects.inputs),
                                 seconds_of_a_run(*subjects.int8_session, subjects.inputs));
    subjects.comparable = true;
  } catch (const Error& error) {
    facts.int8_refused = error.message();
  }
}

}  // namespace

Subjects load_subjects(const std::filesystem::path& fp32, const std::filesystem::path& int8,
                       Facts& facts) {
  const DiagnoseConfig& config = facts.config;
  Subjects subjects;
  in_context(fp32.string(), [&] {
    subjects.fp32 = load_any_model(fp32);
    subjects.fp32_session = open_session(subjects.fp32, config.session);
    facts.fp32_signature = subjects.fp32_session->signature();
    facts.inspection = inspect_model(subjects.fp32, {.target = facts.target});
  });
  subjects.int8 = in_context(int8.string(), [&] { return load_any_model(int8); });
  open_int8(subjects, facts);
  const DatasetConfig samples{.preprocess = config.preprocess,
                              .on_bad_sample = config.on_bad_sample};
  const auto open = [&](const std::optional<std::filesystem::path>& path,
                        std::unique_ptr<Dataset>& all, std::unique_ptr<Dataset>& some) {
    if (!path) return;
    all = open_dataset(*path, facts.fp32_signature, samples);
    some = std::make_unique<SpreadDataset>(
        *all, config.max_samples == 0 ? all->size() : config.max_samples);
  };
  open(config.data, subjects.all_data, subjects.data);
  open(config.calibration_data, subjects.all_calibration_data, subjects.calibration_data);
  const auto fixed = fixed_batch_of(facts.fp32_signature);
  const auto fixed_int8 =
      facts.int8_signature ? fixed_batch_of(*facts.int8_signature) : std::nullopt;
  facts.batch = fixed ? *fixed : fixed_int8.value_or(config.batch);
  choose_inputs(subjects, facts);
  try_int8(subjects, facts);
  return subjects;
}

}  // namespace planish::diagnose_detail
