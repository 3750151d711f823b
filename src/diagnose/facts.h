// What a diagnosis knows: gathered first, judged afterwards by functions that measure nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "diagnose/int8_layers.h"
#include "planish/compare/compare.h"
#include "planish/diagnose/diagnose.h"
#include "planish/inspect/inspect.h"
#include "planish/lint/lint.h"
#include "planish/preprocess/preprocess.h"
#include "planish/quantize/calibration_table.h"
#include "planish/quantize/retarget.h"

namespace planish::diagnose_detail {

/// One run with another batch than 1, held to runs with batch 1.
struct BatchProbe {
  std::string refused = {};   // why the FP32 model refuses it; empty: it ran
  std::string mismatch = {};  // what is wrong with its outputs; empty: they are as expected
};

/// Times of models that ran side by side.
struct Speed {
  BenchResult fp32 = {};
  BenchResult int8 = {};
  std::optional<BenchResult> fitted = {};  // Facts::fitted
  std::optional<BenchResult> remade = {};  // what `planish quantize` makes of the FP32 model
  std::optional<BenchResult> calm = {};    // INT8 without spinning, when the config has it on
  double other_load_share = 0.0;           // of the CPU, meanwhile
  double steal_share = 0.0;
  double wall_seconds = 0.0;
  std::optional<double> throttled_seconds = {};  // by the CPU quota, meanwhile; nothing: no quota
};

/// Throughput of the INT8 model with another batch.
struct BatchTime {
  std::size_t batch = 1;
  BenchResult bench = {};
};

/// What a request costs, side by side.
struct RequestTime {
  BenchResult preprocess = {};  // reading, decoding, preprocessing
  BenchResult whole = {};       // and the INT8 model
};

/// Against the FP32 model, on the data.
struct Answers {
  AccuracyReport int8 = {};
  std::optional<AccuracyReport> fitted = {};  // Facts::fitted, where this machine's sums saturate
};

/// Outputs of a model as it is written (no optimization) against those as it is served (all).
struct LevelAgreement {
  double fp32_db = 0.0;          // SQNR of served against written
  double int8_db = 0.0;          // the same; sums that saturate left out
  double quantization_db = 0.0;  // SQNR of INT8 against FP32, both as written
  std::size_t inputs = 0;
};

/// The range of one activation, and what the data holds.
struct RangeFit {
  std::string tensor = {};
  TensorRange range = {};
  TensorRange observed = {};
  double clipped_share = 0.0;  // of the elements
  double clipping_db = 0.0;    // SQNR of cutting them off; infinite when none is
};

/// Largest absolute values of an activation's channels, dead ones left out.
struct ChannelSpread {
  std::string tensor = {};
  std::size_t channels = 0;
  float median = 0.0F;
  float widest = 0.0F;
};

struct ChannelMoments {
  double mean = 0.0;
  double deviation = 0.0;
};

struct PreprocessTrial {
  PreprocessSpec spec = {};
  std::string what = {};         // "BGR in place of RGB"
  std::vector<bool> right = {};  // by label: one per labelled sample
  double distance = 0.0;         // else: nats from the statistics of training
};

struct PreprocessTrials {
  bool by_label = false;
  std::size_t samples = 0;
  std::vector<PreprocessTrial> trials = {};  // the first is the one that was given
};

struct Facts {
  DiagnoseConfig config = {};
  std::string fp32_path = {};
  std::string int8_path = {};
  HostReport host = {};
  Target target = Target::kAvx2;

  Signature fp32_signature = {};
  std::optional<Signature> int8_signature = {};  // nothing: it does not load
  std::string int8_refused = {};                 // why it does not load or run; empty: it runs
  std::size_t batch = 1;                         // config.batch, or what the models fix
  InspectReport inspection = {};                 // of the FP32 model
  bool is_quantized = false;                     // the INT8 model
  std::vector<Int8Layer> layers = {};            // of the INT8 model
  std::optional<Retargeted> fitted = {};         // the INT8 model, fitted to the target
  std::optional<LintReport> lint = {};           // of the INT8 model
  std::string no_inputs_because = {};            // random inputs that the FP32 model refuses
  std::optional<BatchProbe> batch_probe = {};    // of the FP32 model, where its batch is open
  std::optional<Speed> speed = {};
  std::vector<OperatorTime> fp32_operators = {};
  double run_seconds = 0.0;                 // of the slower model, of one run
  std::vector<BatchTime> batches = {};      // Facts::batch first; fewer than two: not measured
  std::optional<RequestTime> request = {};  // needs images
  std::optional<Answers> answers = {};      // needs data
  std::optional<LevelAgreement> levels = {};
  std::vector<RangeFit> range_fits = {};                 // needs data
  std::vector<ChannelSpread> channel_spreads = {};       // needs data
  std::vector<ChannelMoments> input_moments = {};        // of the data
  std::vector<ChannelMoments> calibration_moments = {};  // of the calibration samples
  std::optional<PreprocessTrials> preprocess_trials = {};
  std::vector<NotChecked> skipped = {};  // by the measurements
};

/// What the judges write to.
struct Judgement {
  std::vector<Finding> findings = {};
  std::vector<NotChecked> not_checked = {};
};

// The judges. Each looks for the findings that its name says.

/// kDoesNotRun to kNotQuantized: what the models take and give.
void find_interface_faults(const Facts& facts, Judgement& judgement);
/// kDynamicConvolution to kQdqRewritten: forms that have no fast kernels.
void find_slow_kernels(const Facts& facts, Judgement& judgement);
/// kNotFaster, the batch, and what a request costs besides.
void find_lost_speed(const Facts& facts, Judgement& judgement);
/// kSaturation, kWeightRangesWide, kActivationRangesWide.
void find_coarse_scales(const Facts& facts, Judgement& judgement);
/// kLevelsDisagree and kAnswersDiffer.
void find_lost_accuracy(const Facts& facts, Judgement& judgement);
/// kCalibrationUnlikeData, kPreprocessMismatch.
void find_data_faults(const Facts& facts, Judgement& judgement);
/// The CPU, its limits, and who else is on it.
void find_machine_faults(const Facts& facts, Judgement& judgement);

}  // namespace planish::diagnose_detail
