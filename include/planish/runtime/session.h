// A loaded model that can be run. The interface names no type of ONNX Runtime.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "planish/graph/model.h"

namespace planish {

/// Name, element type and shape of one input or output.
struct TensorSpec {
  std::string name = {};
  DType dtype = DType::kFloat32;
  Shape shape = {};  // empty for a scalar, and where the rank is not known
  friend bool operator==(const TensorSpec&, const TensorSpec&) = default;
};

struct Signature {
  std::vector<TensorSpec> inputs = {};
  std::vector<TensorSpec> outputs = {};
};

/// A tensor with the name of the input or output that it belongs to.
struct NamedTensor {
  std::string name = {};
  Tensor value = {};
};

/// A loaded model. run() is safe from many threads at once.
class Session {
 public:
  virtual ~Session() = default;
  [[nodiscard]] virtual const Signature& signature() const = 0;
  /// One tensor per output of the signature, in its order, for `inputs` in any order. Inputs are
  /// read in place; outputs own their memory, also beyond the session's life.
  /// @throws Error(kInvalidArgument) naming the input that is missing, unknown or of the wrong type
  ///   or shape; Error(kUnsupported) with the runtime's text when the model cannot be run.
  virtual std::vector<Tensor> run(std::span<const NamedTensor> inputs) = 0;
  /// The same, ended between two operators once `stop` is requested. (Unless overridden: before the
  /// first.) @throws Error(kCancelled) besides.
  virtual std::vector<Tensor> run_until(std::span<const NamedTensor> inputs, std::stop_token stop);
};

enum class GraphOptimization {
  kNone,      // nodes run as they stand
  kBasic,     // constant folding, redundant nodes
  kExtended,  // fusions for the CPU, among them Q/DQ to integer kernels
  kAll,       // and memory layout: what is served
};

/// How a session is made. Defaults are what planish measures and serves with.
struct SessionConfig {
  int threads = 1;  // of one run, the caller's among them; never 0: that would take the host's
                    // cores, not the container's
  bool spinning = false;  // busy-waiting worker threads: faster alone, ruinous beside other work
  GraphOptimization optimization = GraphOptimization::kAll;
  bool memory_arena = true;    // off: smaller, slower
  bool memory_pattern = true;  // off when shapes vary from run to run
  std::optional<std::filesystem::path> optimized_model_path = {};  // also write what really runs
  std::vector<std::pair<std::string, std::string>> entries =
      {};  // further keys of ONNX Runtime, as they are
};

/// Loads a model file into ONNX Runtime's CPU provider.
/// @throws Error(kNotFound); Error(kUnsupported) naming the operator that ONNX Runtime does not
/// know
///   or has no kernel for, or an input or output that is not a tensor; Error(kCorrupt) with ONNX
///   Runtime's text when it refuses the model; Error(kInvalidArgument) for a wrong `config`;
///   Error(kUnavailable) when the library cannot be used.
std::unique_ptr<Session> open_session(const std::filesystem::path& path,
                                      const SessionConfig& config = {});

/// The same for a model in memory, of any size: weights that do not fit into one protobuf message
/// go through a temporary file, which is mapped. `model` need not outlive the session.
std::unique_ptr<Session> open_session(const Model& model, const SessionConfig& config = {});

/// Writes what ONNX Runtime makes of `model` at this level, for this machine, and reads it back:
/// the nodes that really run.
/// @throws Error as open_session.
Model optimized_model(const Model& model, GraphOptimization optimization = GraphOptimization::kAll);

/// @throws Error(kInvalidArgument), naming the tensor, what was found and what `signature` expects.
void require_match(const Signature& signature, std::span<const NamedTensor> inputs);

/// "1.32.0".
std::string runtime_version();

}  // namespace planish
