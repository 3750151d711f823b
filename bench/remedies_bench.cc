// What each remedy gains on one model: accuracy of its INT8 model, and what it costs to make.
//
//   remedies_bench MODEL DATA EVAL_DATA [--preprocess SPEC] [--labels CSV] [--values] [--widen
//   BITS]
//                  [--write FILE] [--transformer] [--vnni] [--per-tensor] [--dynamic]
//                  [--reduce-range]
//
// --values: outputs are embeddings, not classes. --widen: first multiplies the channels between
// layers by powers of two, 2^-BITS to 2^BITS at random, and divides them out behind: the same float
// model, whose activations are hard to quantize per tensor. --write: writes that model, for other
// tools, and measures nothing. --transformer: the remedies for one. --vnni: made for a target whose
// sums do not saturate, else for this machine. Accuracy is measured twice: with this
// machine's integer kernels, and with exact integer arithmetic (Q/DQ pairs run unfused), as kernels
// with 8-bit dot products compute.
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "planish/compare/compare.h"
#include "planish/host/host.h"
#include "planish/onnx/onnx.h"
#include "planish/prepare/prepare.h"
#include "planish/remedy/remedies.h"

namespace planish {
namespace {

struct Options {
  std::string model;
  std::string data;
  std::string eval_data;
  std::string preprocess = "none";
  std::string labels;
  bool values = false;
  bool transformer = false;
  int widen_bits = 0;
  std::string write;
  QuantizationConfig quantization;
};

/// Random powers of two by channel. Under a Clip, only channels that stay far from its bounds are
/// scaled, and only down, so that what it cuts off stays the same on samples that were not seen.
std::vector<double> widening_factors(const Graph& graph, const TiedChannels& set,
                                     const std::map<std::string, ChannelStatistics>& statistics,
                                     int bits, std::mt19937_64& random) {
  std::vector<double> factors(set.channels);
  for (double& factor : factors) {
    factor =
        std::ldexp(1.0, static_cast<int>(random() % static_cast<unsigned>(2 * bits + 1)) - bits);
  }
  for (const TiedChannels::Clamp& clamp : set.clamps) {
    const ChannelStatistics& seen = statistics.at(graph.nodes[clamp.node].input(0));
    for (std::size_t c = 0; c < factors.size(); ++c) {
      const bool is_far =
          seen.max[c] <= clamp.high / 2 && (clamp.low == 0.0F || seen.min[c] >= clamp.low / 2);
      factors[c] = is_far ? std::max(factors[c], 1 / factors[c]) : 1.0;
    }
  }
  return factors;
}

Model widened(Model model, const Dataset& data, int bits) {
  constexpr std::uint64_t kSeed = 1;
  std::mt19937_64 random(kSeed);
  const auto sets = find_tied_channels(model.graph, model.opset());
  std::vector<ChannelsOfValue> values;
  for (const TiedChannels& set : sets) {
    for (const TiedChannels::Clamp& clamp : set.clamps) {
      const std::string& input = model.graph.nodes[clamp.node].input(0);
      values.push_back(
          {input, std::ranges::find(set.values, input, &TiedChannels::Value::name)->axis});
    }
  }
  const auto seen = observe_channels(model, data, values);
  std::map<std::string, ChannelStatistics> statistics;
  for (std::size_t i = 0; i < values.size(); ++i) statistics[values[i].name] = seen[i];
  for (const TiedChannels& set : sets) {
    scale_channels(model.graph, set, widening_factors(model.graph, set, statistics, bits, random));
  }
  return model;
}

class Table {
 public:
  Table(const Options& options, const Model& source)
      : options_(options), reference_(open_session(source)) {
    DatasetConfig config;
    config.preprocess = load_preprocess_spec(options.preprocess);
    data_ = open_dataset(options.data, reference_->signature(), config);
    evaluation_ = open_dataset(options.eval_data, reference_->signature(), config);
    if (!options.labels.empty()) labels_ = Labels::load(options.labels);
    CompareConfig compare;
    compare.threads = usable_cores();
    if (options.values) compare.meaning = OutputMeaning::kValues;
    comparison_.emplace(*reference_, *evaluation_, labels_ ? &*labels_ : nullptr, compare);
  }

  [[nodiscard]] const Dataset& data() const { return *data_; }

  void print_header() const {
    std::printf("| %-36s | %7s | %7s | %7s | %7s | %7s | %7s | %7s | %7s | %7s |\n", "method",
                "top-1", "agree", "cosine", "SQNR", "top-1*", "agree*", "cosine*", "SQNR*",
                "seconds");
    std::printf("|---|---|---|---|---|---|---|---|---|---|\n");
  }

  void print_row(const std::string& name, const Model& model, double seconds) {
    SessionConfig exact;
    exact.entries = {{"session.disable_quant_qdq", "1"}};
    const AccuracyReport here = comparison_->compare(*open_session(model));
    const AccuracyReport there = comparison_->compare(*open_session(model, exact));
    std::printf("| %-36s |", name.c_str());
    for (const AccuracyReport* report : {&here, &there}) {
      const auto share = [](const std::optional<double>& value) {
        return value ? 100.0 * *value : std::nan("");
      };
      std::printf(" %7.2f | %7.2f | %7.5f | %7.2f |", share(report->int8_top1),
                  share(report->top1_agreement), report->cosine_mean, report->sqnr_db);
    }
    std::printf(" %7.1f |\n", seconds);
    std::fflush(stdout);
  }

 private:
  const Options& options_;
  std::unique_ptr<Session> reference_;
  std::unique_ptr<Dataset> data_;
  std::unique_ptr<Dataset> evaluation_;
  std::optional<Labels> labels_;
  std::optional<Comparison> comparison_;
};

RemedyConfig remedies(std::string_view names) {
  const auto has = [&](std::string_view name) { return names.find(name) != names.npos; };
  RemedyConfig config;
  if (has("equalization")) config.equalize = EqualizeConfig{};
  if (has("smoothing")) config.smooth = SmoothConfig{};
  if (has("smoothing with Mul")) config.smooth->min_gain_of_mul = kGainWorthAMul;
  if (has("clipping")) config.clipping = ClippingConfig{};
  if (has("rounding")) config.rounding = RoundingConfig{};
  config.bias_correction = has("bias");
  return config;
}

/// Each by itself, and what builds on one another.
constexpr std::array kMethods{"none",
                              "equalization",
                              "weight clipping",
                              "bias",
                              "rounding",
                              "equalization, bias",
                              "rounding, bias",
                              "clipping, rounding, bias",
                              "equalization, rounding, bias"};
constexpr std::array kTransformerMethods{"none",
                                         "smoothing",
                                         "smoothing with Mul",
                                         "weight clipping",
                                         "rounding, bias",
                                         "smoothing with Mul, rounding, bias"};

void run(const Options& options) {
  const Model source = load_model(options.model);
  Table table(options, source);
  Model model = prepare(source).model;
  if (options.widen_bits > 0) {
    model = widened(std::move(model), table.data(), options.widen_bits);
  }
  if (!options.write.empty()) return save_model(model, options.write);
  table.print_header();
  if (options.widen_bits > 0) {
    table.print_row("widened, in float", model, 0.0);
  }
  const std::span<const char* const> methods =
      options.transformer ? std::span<const char* const>(kTransformerMethods) : kMethods;
  for (const char* method : methods) {
    const auto start = std::chrono::steady_clock::now();
    const RemediedPlan planned =
        plan_with_remedies(model, table.data(), options.quantization, {}, remedies(method));
    const Model quantized = apply(planned.plan, planned.model);
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    table.print_row(method, quantized, spent.count());
  }
}

bool parse(int argc, char** argv, Options& options) {
  std::vector<std::string> positional;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const bool more = i + 1 < argc;
    if (argument == "--preprocess" && more) {
      options.preprocess = argv[++i];
    } else if (argument == "--labels" && more) {
      options.labels = argv[++i];
    } else if (argument == "--widen" && more) {
      options.widen_bits = std::atoi(argv[++i]);
    } else if (argument == "--write" && more) {
      options.write = argv[++i];
    } else if (argument == "--transformer") {
      options.transformer = true;
    } else if (argument == "--vnni") {
      options.quantization.target = Target::kAvx512Vnni;
    } else if (argument == "--values") {
      options.values = true;
    } else if (argument == "--per-tensor") {
      options.quantization.weights = Granularity::kPerTensor;
    } else if (argument == "--dynamic") {
      options.quantization.mode = QuantizationMode::kDynamic;
    } else if (argument == "--reduce-range") {
      options.quantization.reduce_range = true;
    } else if (argument.starts_with("--")) {
      return false;
    } else {
      positional.emplace_back(argument);
    }
  }
  if (positional.size() != 3) return false;
  options.model = positional[0];
  options.data = positional[1];
  options.eval_data = positional[2];
  return true;
}

}  // namespace
}  // namespace planish

int main(int argc, char** argv) {
  planish::Options options;
  if (!planish::parse(argc, argv, options)) {
    std::fprintf(stderr,
                 "usage: remedies_bench MODEL DATA EVAL_DATA [--preprocess SPEC] [--labels CSV]\n"
                 "       [--values] [--widen BITS] [--write FILE] [--transformer] [--vnni]\n"
                 "       [--per-tensor] [--dynamic] [--reduce-range]\n");
    return 2;
  }
  try {
    planish::run(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "remedies_bench: %s\n", error.what());
    return 1;
  }
  return 0;
}
