#include "random_models/random_model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numeric>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>

#include "planish/prepare/prepare.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"

namespace planish::test {
namespace {

using Dims = std::vector<std::int64_t>;

constexpr std::int64_t kBatch = 2;  // stands for the symbolic dimension while shapes are computed
constexpr std::int64_t kMaxElements = 4096;

/// A value of the graph; dims[0] is the batch.
struct Value {
  std::string name = {};
  Dims dims = {};

  [[nodiscard]] std::size_t rank() const { return dims.size(); }
  [[nodiscard]] std::size_t spatial() const { return dims.size() - 2; }
};

std::int64_t product(std::span<const std::int64_t> dims) {
  return std::accumulate(dims.begin(), dims.end(), std::int64_t{1}, std::multiplies<>());
}

/// Geometry of a convolution or a pool.
struct Window {
  Dims kernel = {};
  Dims strides = {};
  Dims dilations = {};
  Dims pads = {};   // begins, then ends
  Dims sizes = {};  // of the result
};

class Generator {
 public:
  Generator(Choices& choices, Naming naming)
      : choices_(choices),
        naming_(naming),
        opset_(choices.one_of<std::int64_t>({17, 13, 21, 18})),
        builder_(opset_) {}

  Model run() {
    add_input();
    const std::size_t count = 1 + choices_.below(12);
    for (std::size_t i = 0; i < count; ++i) {
      if (choices_.chance(4)) add_input();
      add_operator();
    }
    if (builder_.graph().nodes.empty()) emit("Relu", {values_.back().name}, values_.back().dims);
    name_outputs();
    Model model = builder_.model();
    write_value_types(model);
    return model;
  }

 private:
  // --- names, values, constants ------------------------------------------------------------------

  std::string fresh(const char* stem) {
    static constexpr std::array kDerived{"_scale",
                                         "_zero_point",
                                         "_quantized",
                                         "_QuantizeLinear_Output",
                                         "0",
                                         "_quantized_scale",
                                         "_Transposed",
                                         "_DequantizeLinear_Output",
                                         "_output_quantized",
                                         "_QuantizeLinear_Input",
                                         "quantized",
                                         "_MatMul"};
    if (naming_ == Naming::kHostile && !names_.empty() && choices_.chance(40)) {
      const std::string name =
          choices_.one_of(names_) + kDerived.at(choices_.below(kDerived.size()));
      if (taken_.insert(name).second) return names_.emplace_back(name);
    }
    std::size_t number = names_.size();
    std::string name = stem + std::to_string(number);
    while (!taken_.insert(name).second) name = stem + std::to_string(++number);
    return names_.emplace_back(name);
  }

  /// Mostly one of the last values, so that graphs are deep.
  Value any_value() {
    const std::size_t back = choices_.chance(70) ? 0 : choices_.below(values_.size());
    return values_[values_.size() - 1 - back];
  }

  std::string constant(Tensor value) {
    const std::string name = fresh("c");
    if (value.dtype() == DType::kFloat32) constants_.push_back({name, value.dims()});
    builder_.initializer(name, std::move(value));
    return name;
  }

  /// Floats of about `sigma`; at times one that is there already, or of unusual values.
  std::string floats(Dims dims, float sigma) {
    if (choices_.chance(20)) {
      for (const Value& known : constants_) {
        if (known.dims == dims) return known.name;
      }
    }
    const auto count = static_cast<std::size_t>(product(dims));
    std::vector<float> values = random_normals(count, choices_.seed(), sigma);
    if (choices_.chance(12)) distort(values);
    return constant(Tensor::of(std::move(dims), values));
  }

  void distort(std::vector<float>& values) {
    const std::size_t first = choices_.below(values.size());
    switch (choices_.below(5)) {
      case 0:  // one outlier
        values[first] *= 50.0F;
        break;
      case 1:  // a channel of zeros, if there are channels
        std::fill(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(first + 1), 0.0F);
        break;
      case 2:
        std::ranges::fill(values, values.front());
        break;
      case 3:  // one sign
        for (float& value : values) value = std::abs(value);
        break;
      default:  // so small that an int32 bias may not hold the bias of others
        for (float& value : values) value *= 1e-6F;
    }
  }

  std::string int64s(const Dims& values) {
    return constant(Tensor::of({static_cast<std::int64_t>(values.size())}, values));
  }

  void add_input() {
    static const std::vector<Dims> shapes{
        {kBatch, 3, 6, 6},  {kBatch, 16, 5, 7}, {kBatch, 8, 4, 4}, {kBatch, 24},
        {kBatch, 5, 12},    {kBatch, 1, 9, 9},  {kBatch, 33},      {kBatch, 4, 3, 4, 5},
        {kBatch, 2, 6, 16}, {kBatch, 32, 3, 3}, {kBatch, 7, 1, 1}, {kBatch, 6, 20}};
    Value input{fresh("x"), choices_.one_of(shapes)};
    Shape shape(input.dims.begin(), input.dims.end());
    shape[0] = "batch";
    builder_.input(input.name, DType::kFloat32, shape);
    values_.push_back(std::move(input));
  }

  void add_operator() {
    // Those that matter most stand there more than once; the first is what spent bytes give.
    using G = Generator;
    static constexpr std::array kMakers{
        &G::conv,      &G::conv,       &G::conv,      &G::conv,      &G::matmul,      &G::matmul,
        &G::gemm,      &G::gemm,       &G::clamp,     &G::clamp,     &G::add,         &G::add,
        &G::mul,       &G::concat,     &G::pool,      &G::pool,      &G::global_pool, &G::table,
        &G::softmax,   &G::reshape,    &G::flatten,   &G::transpose, &G::slice,       &G::split,
        &G::gather,    &G::squeeze,    &G::unsqueeze, &G::pad,       &G::resize,      &G::island,
        &G::attention, &G::reduce_mean};
    // Not every operator takes every shape: try some.
    for (int attempt = 0; attempt < 6; ++attempt) {
      const Value value = any_value();
      if (std::invoke(kMakers.at(choices_.below(kMakers.size())), *this, value)) return;
    }
  }

  /// Names of nodes are apart from names of values; empty ones may repeat.
  std::string node_name() {
    const std::size_t kind = choices_.below(16);
    if (kind == 1) return {};
    if (kind == 2 && naming_ == Naming::kHostile) return names_.back() + "_QuantizeLinear";
    if (kind == 3 && naming_ == Naming::kHostile) return names_.back() + "_DequantizeLinear";
    return "node_" + std::to_string(++nodes_);
  }

  bool emit(const char* op_type, std::vector<std::string> inputs, Dims dims,
            const Attributes& attributes = {}) {
    const std::string output = fresh("v");
    builder_.node(op_type, std::move(inputs), {output}, attributes, node_name());
    values_.push_back({output, std::move(dims)});
    return true;
  }

  /// All leaves, and some values that others read as well.
  void name_outputs() {
    std::unordered_set<std::string> read;
    for (const Node& node : builder_.graph().nodes) {
      read.insert(node.inputs.begin(), node.inputs.end());
    }
    std::unordered_set<std::string> inputs;
    for (const ValueInfo& input : builder_.graph().inputs) inputs.insert(input.name);
    for (const Value& value : values_) {
      if (inputs.contains(value.name)) continue;
      if (!read.contains(value.name) || choices_.chance(10)) builder_.untyped_output(value.name);
    }
  }

  // --- operators ---------------------------------------------------------------------------------

  /// Kernels of up to 3 that fit into `dims`; nothing when none does.
  std::optional<Window> window(const Value& x, bool dilate) {
    Window window;
    Dims ends;
    for (std::size_t axis = 2; axis < x.rank(); ++axis) {
      const std::int64_t kernel = choices_.one_of<std::int64_t>({3, 1, 2});
      const std::int64_t dilation = dilate && choices_.chance(15) ? 2 : 1;
      const std::int64_t stride = choices_.chance(25) ? 2 : 1;
      // A pad must be less than the kernel, or pools have windows of padding only.
      const std::int64_t begin = kernel > 1 && choices_.chance(60) ? 1 : 0;
      const std::int64_t end = kernel > 1 && choices_.chance(60) ? 1 : 0;
      const std::int64_t room = x.dims[axis] + begin + end - dilation * (kernel - 1) - 1;
      if (room < 0) return std::nullopt;
      window.kernel.push_back(kernel);
      window.strides.push_back(stride);
      window.dilations.push_back(dilation);
      window.pads.push_back(begin);
      ends.push_back(end);
      window.sizes.push_back(room / stride + 1);
    }
    window.pads.insert(window.pads.end(), ends.begin(), ends.end());
    return window;
  }

  bool conv(const Value& x) {
    if (x.rank() < 3 || x.rank() > 5) return false;
    const auto geometry = window(x, /*dilate=*/true);
    if (!geometry) return false;
    const std::int64_t channels = x.dims[1];
    std::int64_t group = choices_.one_of<std::int64_t>({1, 1, 1, channels, 2});
    if (channels % group != 0) group = 1;
    const std::int64_t per_group = group == channels
                                       ? 1 + static_cast<std::int64_t>(choices_.below(2))
                                       : choices_.one_of<std::int64_t>({4, 8, 16, 1, 3, 17});
    const std::int64_t filters = group * per_group;
    Dims weight{filters, channels / group};
    weight.insert(weight.end(), geometry->kernel.begin(), geometry->kernel.end());
    const std::int64_t products = product(weight) / filters;
    if (products > static_cast<std::int64_t>(kMaxProducts)) return false;
    Dims dims{kBatch, filters};
    dims.insert(dims.end(), geometry->sizes.begin(), geometry->sizes.end());
    if (product(dims) > kMaxElements) return false;
    std::vector<std::string> inputs{x.name,
                                    floats(weight, 1.0F / std::sqrt(static_cast<float>(products)))};
    if (choices_.chance(70)) inputs.push_back(floats({filters}, 0.5F));
    Attributes attributes{{"group", group},
                          {"strides", geometry->strides},
                          {"dilations", geometry->dilations},
                          {"pads", geometry->pads}};
    if (choices_.chance(50)) attributes.push_back({"kernel_shape", geometry->kernel});
    return emit("Conv", std::move(inputs), std::move(dims), attributes);
  }

  bool matmul(const Value& x) {
    if (x.rank() < 2) return false;
    const std::int64_t inner = x.dims.back();
    if (inner > static_cast<std::int64_t>(kMaxProducts)) return false;
    const std::int64_t columns = choices_.one_of<std::int64_t>({5, 16, 8, 1, 33});
    Dims dims = x.dims;
    dims.back() = columns;
    if (product(dims) > kMaxElements) return false;
    Dims weight{inner, columns};
    if (x.rank() > 2 && choices_.chance(15)) weight.insert(weight.begin(), 1);
    return emit("MatMul", {x.name, floats(weight, 1.0F / std::sqrt(static_cast<float>(inner)))},
                std::move(dims));
  }

  bool gemm(const Value& x) {
    if (x.rank() != 2) return false;
    const std::int64_t inner = x.dims[1];
    const std::int64_t columns = choices_.one_of<std::int64_t>({7, 16, 10, 1, 3});
    if (inner > static_cast<std::int64_t>(kMaxProducts)) return false;
    const bool transposed = choices_.chance(50);
    const Dims weight = transposed ? Dims{columns, inner} : Dims{inner, columns};
    std::vector<std::string> inputs{x.name,
                                    floats(weight, 1.0F / std::sqrt(static_cast<float>(inner)))};
    Attributes attributes{{"transB", std::int64_t{transposed ? 1 : 0}}};
    if (choices_.chance(75)) {
      inputs.push_back(floats(choices_.chance(80) ? Dims{columns} : Dims{1, columns}, 0.5F));
    }
    if (choices_.chance(12)) attributes.push_back({"alpha", 0.5F});
    if (choices_.chance(12)) attributes.push_back({"beta", choices_.one_of({2.0F, 0.0F, 0.25F})});
    return emit("Gemm", std::move(inputs), {kBatch, columns}, attributes);
  }

  bool clamp(const Value& x) {
    if (choices_.chance(60)) return emit("Relu", {x.name}, x.dims);
    std::vector<std::string> inputs{x.name, "", ""};
    if (choices_.chance(80))
      inputs[1] = constant(Tensor::scalar(choices_.one_of({0.0F, -0.5F, -1.0F, 0.1F})));
    if (inputs[1].empty() || choices_.chance(80))
      inputs[2] = constant(Tensor::scalar(choices_.one_of({6.0F, 0.75F, 1.0F})));
    return emit("Clip", std::move(inputs), x.dims);
  }

  /// Another value of these dimensions, else nothing.
  std::optional<Value> partner(const Dims& dims) {
    std::vector<Value> fitting;
    for (const Value& value : values_) {
      if (value.dims == dims) fitting.push_back(value);
    }
    if (fitting.empty()) return std::nullopt;
    return choices_.one_of(fitting);
  }

  /// The second operand: a value of the same shape, one that is broadcast, or a constant.
  std::string operand(const Value& x) {
    const std::size_t kind = choices_.below(6);
    if (kind < 3) return partner(x.dims)->name;
    if (kind == 3) {  // as squeeze-and-excitation has it
      Dims small(x.rank(), 1);
      small[0] = kBatch;
      if (x.rank() > 1) small[1] = x.dims[1];
      if (const auto found = partner(small)) return found->name;
    }
    Dims dims(x.rank(), 1);
    if (kind == 4) dims = Dims{};
    if (kind == 5 && x.rank() > 1) dims[1] = x.dims[1];
    if (kind == 3) dims = Dims{x.dims.back()};
    return floats(std::move(dims), 1.0F);
  }

  bool add(const Value& x) { return binary("Add", x); }
  bool mul(const Value& x) { return binary("Mul", x); }
  bool binary(const char* op_type, const Value& x) {
    std::vector<std::string> inputs{x.name, operand(x)};
    if (choices_.chance(30)) std::swap(inputs[0], inputs[1]);
    return emit(op_type, std::move(inputs), x.dims);
  }

  bool concat(const Value& x) {
    const std::size_t axis = 1 + choices_.below(x.rank() - 1);
    std::vector<std::string> inputs{x.name};
    std::int64_t size = x.dims[axis];
    for (std::size_t more = 1 + choices_.below(2); more > 0; --more) {
      std::vector<Value> fitting;
      for (const Value& value : values_) {
        Dims dims = value.dims;
        if (dims.size() != x.rank()) continue;
        dims[axis] = x.dims[axis];
        if (dims == x.dims) fitting.push_back(value);
      }
      const Value& other = choices_.one_of(fitting);
      inputs.push_back(other.name);
      size += other.dims[axis];
    }
    Dims dims = x.dims;
    dims[axis] = size;
    if (product(dims) > kMaxElements) return false;
    const auto written = static_cast<std::int64_t>(axis);
    return emit(
        "Concat", std::move(inputs), dims,
        {{"axis", choices_.chance(30) ? written - static_cast<std::int64_t>(x.rank()) : written}});
  }

  bool pool(const Value& x) {
    if (x.rank() < 3 || x.rank() > 5) return false;
    const auto geometry = window(x, /*dilate=*/false);
    if (!geometry) return false;
    Dims dims{kBatch, x.dims[1]};
    dims.insert(dims.end(), geometry->sizes.begin(), geometry->sizes.end());
    Attributes attributes{{"kernel_shape", geometry->kernel},
                          {"strides", geometry->strides},
                          {"pads", geometry->pads}};
    if (choices_.chance(50)) return emit("MaxPool", {x.name}, dims, attributes);
    attributes.push_back({"count_include_pad", std::int64_t{choices_.chance(50) ? 1 : 0}});
    return emit("AveragePool", {x.name}, dims, attributes);
  }

  bool global_pool(const Value& x) {
    if (x.rank() < 3) return false;
    Dims dims(x.rank(), 1);
    dims[0] = kBatch;
    dims[1] = x.dims[1];
    return emit("GlobalAveragePool", {x.name}, dims);
  }

  bool table(const Value& x) {
    if (choices_.chance(60)) return emit("Sigmoid", {x.name}, x.dims);
    return emit("LeakyRelu", {x.name}, x.dims, {{"alpha", choices_.one_of({0.01F, 0.2F, 1.5F})}});
  }

  bool softmax(const Value& x) {
    if (x.rank() < 2) return false;
    const auto axis = static_cast<std::int64_t>(1 + choices_.below(x.rank() - 1));
    return emit("Softmax", {x.name}, x.dims, {{"axis", axis}});
  }

  bool reshape(const Value& x) {
    if (x.rank() < 3) {
      if (x.rank() != 2 || x.dims[1] % 2 != 0) return false;
      return emit("Reshape", {x.name, int64s({0, 2, -1})}, {kBatch, 2, x.dims[1] / 2});
    }
    const std::int64_t rest = product(std::span(x.dims).subspan(2));
    if (choices_.chance(50))
      return emit("Reshape", {x.name, int64s({0, -1})}, {kBatch, x.dims[1] * rest});
    return emit("Reshape", {x.name, int64s({0, x.dims[1], rest})}, {kBatch, x.dims[1], rest});
  }

  bool flatten(const Value& x) {
    return emit("Flatten", {x.name}, {kBatch, product(std::span(x.dims).subspan(1))},
                {{"axis", std::int64_t{1}}});
  }

  bool transpose(const Value& x) {
    if (x.rank() < 3 || has_interpolation_) return false;
    has_transpose_ = true;
    Dims perm(x.rank());
    std::iota(perm.begin(), perm.end(), 0);
    const std::size_t turn = 1 + choices_.below(x.rank() - 2);
    std::rotate(perm.begin() + 1, perm.begin() + 1 + static_cast<std::ptrdiff_t>(turn), perm.end());
    Dims dims;
    for (const std::int64_t axis : perm) dims.push_back(x.dims[static_cast<std::size_t>(axis)]);
    return emit("Transpose", {x.name}, dims, {{"perm", perm}});
  }

  bool slice(const Value& x) {
    const std::size_t axis = 1 + choices_.below(x.rank() - 1);
    const std::int64_t size = x.dims[axis];
    const auto start = static_cast<std::int64_t>(choices_.below(static_cast<std::size_t>(size)));
    const std::int64_t step = choices_.chance(30) ? 2 : 1;
    Dims dims = x.dims;
    dims[axis] = (size - start + step - 1) / step;
    const auto written = static_cast<std::int64_t>(axis);
    return emit("Slice",
                {x.name, int64s({start}), int64s({size}), int64s({written}), int64s({step})}, dims);
  }

  bool split(const Value& x) {
    const std::size_t axis = 1 + choices_.below(x.rank() - 1);
    const std::int64_t size = x.dims[axis];
    if (size < 2) return false;
    const auto first =
        1 + static_cast<std::int64_t>(choices_.below(static_cast<std::size_t>(size - 1)));
    const std::string a = fresh("v");
    const std::string b = fresh("v");
    builder_.node("Split", {x.name, int64s({first, size - first})}, {a, b},
                  {{"axis", static_cast<std::int64_t>(axis)}}, node_name());
    Dims dims = x.dims;
    dims[axis] = first;
    values_.push_back({a, dims});
    dims[axis] = size - first;
    values_.push_back({b, dims});
    return true;
  }

  bool gather(const Value& x) {
    const std::size_t axis = 1 + choices_.below(x.rank() - 1);
    const auto written = static_cast<std::int64_t>(axis);
    const auto index =
        static_cast<std::int64_t>(choices_.below(static_cast<std::size_t>(x.dims[axis])));
    Dims dims = x.dims;
    if (x.rank() > 2 && choices_.chance(40)) {  // a scalar index takes the axis away
      dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(axis));
      return emit("Gather", {x.name, constant(Tensor::scalar(index))}, dims, {{"axis", written}});
    }
    dims[axis] = 3;
    return emit("Gather", {x.name, int64s({index, 0, index})}, dims, {{"axis", written}});
  }

  bool squeeze(const Value& x) {
    for (std::size_t axis = x.rank() - 1; axis > 0 && x.rank() > 2; --axis) {
      if (x.dims[axis] != 1) continue;
      Dims dims = x.dims;
      dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(axis));
      return emit("Squeeze", {x.name, int64s({static_cast<std::int64_t>(axis)})}, dims);
    }
    return false;
  }

  bool unsqueeze(const Value& x) {
    if (x.rank() > 4) return false;
    const std::size_t axis = 1 + choices_.below(x.rank());
    Dims dims = x.dims;
    dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(axis), 1);
    return emit("Unsqueeze", {x.name, int64s({static_cast<std::int64_t>(axis)})}, dims);
  }

  bool pad(const Value& x) {
    Dims pads(2 * x.rank(), 0);
    Dims dims = x.dims;
    const std::size_t axis = 1 + choices_.below(x.rank() - 1);
    pads[axis] = 1;
    pads[x.rank() + axis] = static_cast<std::int64_t>(choices_.below(2));
    dims[axis] += pads[axis] + pads[x.rank() + axis];
    std::vector<std::string> inputs{x.name, int64s(pads)};
    if (choices_.chance(20)) return emit("Pad", inputs, dims, {{"mode", std::string("edge")}});
    if (choices_.chance(50))
      inputs.push_back(constant(Tensor::scalar(choices_.one_of({0.0F, 0.25F}))));
    return emit("Pad", inputs, dims);
  }

  bool resize(const Value& x) {
    if (x.rank() != 4 || product(x.dims) * 4 > kMaxElements) return false;
    const std::string scales = constant(Tensor::of({4}, std::vector<float>{1, 1, 2, 2}));
    // ONNX Runtime 1.32 moves a Transpose through a Resize, and then refuses axes that it cannot
    // interpolate along.
    const bool nearest = has_transpose_ || choices_.chance(70);
    has_interpolation_ = has_interpolation_ || !nearest;
    return emit("Resize", {x.name, "", scales},
                {x.dims[0], x.dims[1], x.dims[2] * 2, x.dims[3] * 2},
                {{"mode", std::string(nearest ? "nearest" : "linear")},
                 {"coordinate_transformation_mode", std::string("asymmetric")},
                 {"nearest_mode", std::string("floor")}});
  }

  /// Operators without an integer form: the graph is cut into islands.
  bool island(const Value& x) {
    const char* const op_type = choices_.one_of({"Tanh", "Erf", "HardSigmoid", "Identity", "Neg"});
    return emit(op_type, {x.name}, x.dims);
  }

  /// A product of two activations.
  bool attention(const Value& x) {
    if (x.rank() != 3 || has_interpolation_) return false;
    if (x.dims[2] > static_cast<std::int64_t>(kMaxProducts)) return false;
    has_transpose_ = true;
    const std::string turned = fresh("v");
    builder_.node("Transpose", {x.name}, {turned}, {{"perm", ints({0, 2, 1})}}, node_name());
    values_.push_back({turned, {kBatch, x.dims[2], x.dims[1]}});
    return emit("MatMul", {x.name, turned}, {kBatch, x.dims[1], x.dims[1]});
  }

  bool reduce_mean(const Value& x) {
    if (x.rank() < 3) return false;
    const auto axis = static_cast<std::int64_t>(x.rank() - 1);
    Dims dims = x.dims;
    dims.back() = 1;
    if (opset_ >= 18) return emit("ReduceMean", {x.name, int64s({axis})}, dims);
    return emit("ReduceMean", {x.name}, dims, {{"axes", Dims{axis}}});
  }

  Choices& choices_;
  Naming naming_;
  std::int64_t opset_;
  GraphBuilder builder_;
  std::vector<std::string> names_;
  std::unordered_set<std::string> taken_;
  std::vector<Value> values_;
  std::vector<Value> constants_;  // of floats
  std::size_t nodes_ = 0;
  bool has_transpose_ = false;
  bool has_interpolation_ = false;
};

std::vector<NamedTensor> sample_of(const Graph& graph, std::int64_t batch, Choices& choices) {
  const float low = choices.one_of({-1.0F, 0.0F, -0.25F});
  const float high = choices.one_of({1.0F, 3.0F});
  std::vector<NamedTensor> inputs;
  for (const ValueInfo& input : graph.inputs) {
    Dims dims{batch};
    const Shape& shape = *input.type.tensor()->shape;
    for (std::size_t axis = 1; axis < shape.size(); ++axis) dims.push_back(*shape[axis].number());
    inputs.push_back({input.name, random_tensor(std::move(dims), choices.seed(), low, high)});
  }
  return inputs;
}

}  // namespace

RandomModel random_model(Choices& choices, Naming naming) {
  RandomModel random;
  random.model = Generator(choices, naming).run();
  for (const std::int64_t batch : {kBatch, std::int64_t{1}}) {
    random.samples.push_back(sample_of(random.model.graph, batch, choices));
  }
  return random;
}

}  // namespace planish::test
