#include "support/random_qdq.h"

#include <algorithm>
#include <array>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "support/graph_builder.h"
#include "support/random_tensor.h"

namespace planish::test {
namespace {

struct Value {
  std::string name;
  std::vector<std::int64_t> dims;
  std::optional<std::size_t> pair;  // the parameters that it was dequantized with
};

struct Params {
  float scale = 0.05F;
  DType dtype = DType::kUInt8;
  std::int64_t zero_point = 128;
};

Tensor integer_scalar(DType dtype, std::int64_t value) {
  switch (dtype) {
    case DType::kUInt8:
      return Tensor::scalar(static_cast<std::uint8_t>(value));
    case DType::kInt8:
      return Tensor::scalar(static_cast<std::int8_t>(value));
    case DType::kUInt16:
      return Tensor::scalar(static_cast<std::uint16_t>(value));
    default:
      return Tensor::scalar(static_cast<std::int16_t>(value));
  }
}

class Generator {
 public:
  Generator(std::uint64_t seed, std::size_t max_nodes)
      : random_(seed),
        opset_(pick<std::int64_t>({13, 17, 19, 21, 22})),
        builder_(opset_),
        nodes_left_(1 + below(max_nodes)) {
    wide_ = opset_ >= 21 && chance(8);
    tidy_ = chance(40);  // as a quantizer would write it
    mixed_ = !tidy_ && chance(25);
    main_type_ = chance(30) ? DType::kInt8 : DType::kUInt8;
  }

  Model make() {
    const std::size_t inputs = 1 + below(2);
    for (std::size_t k = 0; k < inputs; ++k) {
      const auto dims =
          pick<std::vector<std::int64_t>>({{1, 4, 6, 6}, {1, 4, 6, 6}, {3, 8}, {2, 5, 8}});
      const std::string name = fresh("in");
      Shape shape(dims.begin(), dims.end());
      if (chance(20)) shape[0] = Dim("batch");
      builder_.input(name, DType::kFloat32, shape);
      values_.push_back({name, dims, {}});
    }
    while (nodes_left_ > 0) {
      --nodes_left_;
      add_operator();
    }
    finish();
    return builder_.model();
  }

 private:
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(random_() >> 11) % bound; }
  bool chance(std::size_t percent) { return below(100) < percent; }
  template <typename T>
  T pick(const std::vector<T>& from) {
    return from[below(from.size())];
  }
  std::string fresh(const std::string& stem) { return stem + "_" + std::to_string(next_++); }

  std::string constant(Tensor tensor) {
    const std::string name = fresh("c");
    builder_.initializer(name, std::move(tensor));
    return name;
  }
  std::string ints_constant(const std::vector<std::int64_t>& numbers) {
    return constant(Tensor::of({static_cast<std::int64_t>(numbers.size())}, numbers));
  }

  DType activation_type() {
    if (wide_) return main_type_ == DType::kInt8 ? DType::kInt16 : DType::kUInt16;
    if (mixed_ && chance(30)) return main_type_ == DType::kInt8 ? DType::kUInt8 : DType::kInt8;
    return main_type_;
  }

  std::size_t new_params() {
    if (!params_.empty() && chance(30)) return below(params_.size());
    Params params;
    params.dtype = activation_type();
    params.scale = 0.01F * static_cast<float>(1 + below(6));
    const bool is_signed = params.dtype == DType::kInt8 || params.dtype == DType::kInt16;
    const std::int64_t low = is_signed ? (wide_ ? -32768 : -128) : 0;
    params.zero_point = pick<std::int64_t>({low, low + 128, low + 100});
    params_.push_back(params);
    return params_.size() - 1;
  }

  std::vector<std::string> pair_inputs(const std::string& data, std::size_t which) {
    const Params& params = params_[which];
    std::vector<std::string> inputs{data, constant(Tensor::scalar(params.scale))};
    // Without a zero point, the type is uint8 and the zero point 0.
    const bool may_omit = params.dtype == DType::kUInt8 && params.zero_point == 0 && !tidy_;
    if (!may_omit || !chance(20))
      inputs.push_back(constant(integer_scalar(params.dtype, params.zero_point)));
    return inputs;
  }

  std::string quantized(const std::string& name, std::size_t which) {
    const std::string q = fresh("q");
    builder_.node("QuantizeLinear", pair_inputs(name, which), {q}, {}, q + "_node");
    return q;
  }
  std::string dequantized(const std::string& integers, std::size_t which) {
    const std::string dq = fresh("dq");
    builder_.node("DequantizeLinear", pair_inputs(integers, which), {dq}, {}, dq + "_node");
    return dq;
  }

  /// `value` behind a pair, perhaps one that other readers share.
  Value paired(const Value& value, std::optional<std::size_t> which = {}) {
    if (!which) which = new_params();
    const std::string q = quantized(value.name, *which);
    const std::string dq = dequantized(q, *which);
    integers_.emplace_back(Value{q, value.dims, which}, value.name);
    return Value{dq, value.dims, which};
  }

  /// An operand: a value as it is, behind a new pair, or dequantized again from integers that
  /// exist.
  Value operand(std::size_t rank = 0) {
    std::vector<std::size_t> fit;
    for (std::size_t i = 0; i < values_.size(); ++i) {
      if (rank == 0 || values_[i].dims.size() == rank) fit.push_back(i);
    }
    if (fit.empty()) {
      static const std::array<std::vector<std::int64_t>, 5> kDims{
          {{}, {}, {3, 8}, {2, 5, 8}, {1, 4, 6, 6}}};
      const std::string name = fresh("x");
      builder_.input(name, DType::kFloat32, Shape(kDims[rank].begin(), kDims[rank].end()));
      values_.push_back({name, kDims[rank], {}});
      fit.push_back(values_.size() - 1);
    }
    // Late values more often: deep graphs.
    const std::size_t at = std::max(below(fit.size()), below(fit.size()));
    const Value value = values_[fit[at]];
    if (value.pair && !chance(tidy_ ? 3 : 10)) {
      if (tidy_ || !chance(20)) return value;
      for (const auto& [integers, source] : integers_) {  // a DequantizeLinear of its own
        if (integers.dims == value.dims && integers.pair == value.pair && chance(50))
          return Value{dequantized(integers.name, *integers.pair), integers.dims, integers.pair};
      }
      return value;
    }
    if (chance(tidy_ ? 97 : 75)) {
      const Value behind = paired(value);
      if (tidy_) values_[fit[at]] = behind;  // other readers share it
      return behind;
    }
    return value;
  }

  DType weight_type() {
    if (wide_ && chance(50)) return DType::kInt16;
    if (mixed_ && chance(30)) return DType::kUInt8;
    return DType::kInt8;
  }

  /// A weight [dims] with scales along `axis`: integers, quantized in the graph, or floats.
  std::string weight(const std::vector<std::int64_t>& dims, std::int64_t axis) {
    std::size_t count = 1;
    for (const std::int64_t dim : dims) count *= static_cast<std::size_t>(dim);
    const Tensor floats = random_tensor(dims, random_());
    weight_is_per_channel_ = false;
    if (!tidy_ && chance(15)) return constant(floats);
    const DType dtype = weight_type();
    const bool in_graph = !tidy_ && chance(10);
    const bool per_channel = chance(40);
    weight_is_per_channel_ = per_channel;
    const std::int64_t channels = per_channel ? dims[static_cast<std::size_t>(axis)] : 1;
    const std::vector<std::int64_t> param_dims =
        per_channel ? std::vector<std::int64_t>{channels} : std::vector<std::int64_t>{};
    const Tensor scale = Tensor::of<float>(
        param_dims, std::vector<float>(static_cast<std::size_t>(channels), 0.01F));
    const auto n = static_cast<std::size_t>(channels);
    Tensor zero = Tensor::of<std::int8_t>(param_dims, std::vector<std::int8_t>(n, 0));
    if (dtype == DType::kUInt8)
      zero = Tensor::of<std::uint8_t>(param_dims, std::vector<std::uint8_t>(n, 128));
    if (dtype == DType::kInt16)
      zero = Tensor::of<std::int16_t>(param_dims, std::vector<std::int16_t>(n, 0));
    const Attributes attributes = per_channel ? Attributes{{"axis", axis}} : Attributes{};
    std::string integers;
    const std::string scale_name = constant(scale);
    const std::string zero_name = constant(zero);
    if (in_graph) {
      integers = fresh("wq");
      builder_.node("QuantizeLinear", {constant(floats), scale_name, zero_name}, {integers},
                    attributes);
    } else if (dtype == DType::kInt16) {
      integers = constant(Tensor::of<std::int16_t>(dims, std::vector<std::int16_t>(count, 5)));
    } else if (dtype == DType::kUInt8) {
      std::vector<std::uint8_t> bytes(count);
      for (auto& byte : bytes) byte = static_cast<std::uint8_t>(below(256));
      integers = constant(Tensor::of(dims, bytes));
    } else {
      std::vector<std::int8_t> bytes(count);
      for (auto& byte : bytes) byte = static_cast<std::int8_t>(static_cast<int>(below(255)) - 127);
      integers = constant(Tensor::of(dims, bytes));
    }
    const std::string dq = fresh("w");
    builder_.node("DequantizeLinear", {integers, scale_name, zero_name}, {dq}, attributes);
    return dq;
  }

  /// A bias of `count`: int32 behind DequantizeLinear, floats, or "".
  std::string bias(std::int64_t count, const Value& input) {
    if (chance(30)) return "";
    const auto n = static_cast<std::size_t>(count);
    if (!chance(tidy_ ? 97 : 60)) return constant(random_tensor({count}, random_()));
    std::vector<std::int32_t> integers(n);
    for (auto& number : integers) number = static_cast<std::int32_t>(below(2000)) - 1000;
    const std::string dq = fresh("b");
    float scale = input.pair ? 0.01F * params_[*input.pair].scale : 0.0005F;
    if (!tidy_ && chance(10)) scale *= 1.5F;
    const std::int32_t zero = !tidy_ && chance(3) ? 1 : 0;
    const bool each = weight_is_per_channel_ && !chance(10);
    const std::vector<std::int64_t> dims =
        each ? std::vector<std::int64_t>{count} : std::vector<std::int64_t>{};
    builder_.node("DequantizeLinear",
                  {constant(Tensor::of({count}, integers)),
                   constant(Tensor::of(dims, std::vector<float>(each ? n : 1, scale))),
                   constant(Tensor::of(dims, std::vector<std::int32_t>(each ? n : 1, zero)))},
                  {dq}, each ? Attributes{{"axis", std::int64_t{0}}} : Attributes{});
    return dq;
  }

  void produce(std::string name, std::vector<std::int64_t> dims,
               std::optional<std::size_t> same = {}) {
    if (chance(25)) {
      const std::string out = fresh("a");
      if (chance(50)) {
        builder_.node("Relu", {name}, {out});
      } else {
        builder_.node("Clip",
                      {name, constant(Tensor::scalar(0.0F)),
                       constant(Tensor::scalar(pick<float>({1.0F, 6.0F, 50.0F})))},
                      {out});
      }
      if (!tidy_ && chance(20)) values_.push_back({name, dims, {}});
      name = out;
    }
    Value value{name, dims, {}};
    if (chance(tidy_ ? 95 : 70)) {
      const bool shares = same && chance(tidy_ ? 97 : 70);
      const Value behind = paired(value, shares ? same : std::optional<std::size_t>{});
      if (!tidy_ && chance(10)) values_.push_back(value);          // also read as floats
      if (!tidy_ && chance(5)) values_.push_back(paired(behind));  // two pairs in a row
      value = behind;
    }
    values_.push_back(value);
  }

  void conv() {
    const Value x = operand(4);
    const std::int64_t channels = x.dims[1];
    std::vector<std::string> inputs{x.name, weight({4, channels, 1, 1}, 0)};
    const std::string b = bias(4, x);
    if (!b.empty()) inputs.push_back(b);
    const std::string y = fresh("conv");
    builder_.node("Conv", inputs, {y});
    produce(y, {x.dims[0], 4, x.dims[2], x.dims[3]});
  }

  void conv_transpose() {
    const Value x = operand(4);
    const std::string y = fresh("convt");
    builder_.node("ConvTranspose", {x.name, weight({x.dims[1], 4, 1, 1}, 1)}, {y});
    produce(y, {x.dims[0], 4, x.dims[2], x.dims[3]});
  }

  void matmul() {
    const Value x = operand(pick<std::size_t>({2, 3, 3}));
    const std::int64_t depth = x.dims.back();
    std::string w = weight({depth, 8}, 1);
    if (!tidy_ && chance(10)) {
      const std::string t = fresh("wt");
      builder_.node("Transpose", {weight({8, depth}, 0)}, {t}, {{"perm", ints({1, 0})}});
      w = t;
    }
    std::string y = fresh("matmul");
    builder_.node("MatMul", {x.name, w}, {y});
    std::vector<std::int64_t> dims = x.dims;
    dims.back() = 8;
    if (chance(50)) {
      std::string b = bias(8, x);
      if (b.empty()) b = constant(random_tensor({1, 8}, random_()));
      const std::string sum = fresh("biased");
      std::string product = y;
      if (chance(tidy_ ? 5 : 20)) product = paired({y, dims, {}}).name;
      builder_.node(
          "Add",
          chance(50) ? std::vector<std::string>{b, product} : std::vector<std::string>{product, b},
          {sum});
      y = sum;
    }
    produce(y, dims);
  }

  void attention() {
    const Value a = operand(3);
    const Value b = operand(3);
    const std::string t = fresh("t");
    builder_.node("Transpose", {b.name}, {t}, {{"perm", ints({0, 2, 1})}});
    if (a.dims.back() != b.dims.back() || a.dims[0] != b.dims[0]) {
      produce(t, {b.dims[0], b.dims[2], b.dims[1]}, b.pair);
      return;
    }
    const std::string y = fresh("scores");
    std::string right = t;
    if (b.pair && chance(60)) right = paired({t, {}, {}}, b.pair).name;
    builder_.node("MatMul", {a.name, right}, {y});
    produce(y, {a.dims[0], a.dims[1], b.dims[1]});
  }

  void gemm() {
    const Value x = operand(2);
    const bool transposed = chance(50);
    const std::int64_t depth = x.dims[1];
    std::vector<std::string> inputs{x.name,
                                    transposed ? weight({8, depth}, 0) : weight({depth, 8}, 1)};
    const std::string b = bias(8, x);
    if (!b.empty()) inputs.push_back(b);
    Attributes attributes;
    if (transposed) attributes.emplace_back("transB", std::int64_t{1});
    if (!tidy_ && chance(10)) attributes.emplace_back("beta", 0.5F);
    const std::string y = fresh("gemm");
    builder_.node("Gemm", inputs, {y}, attributes);
    produce(y, {x.dims[0], 8});
  }

  void binary() {
    const std::string op = pick<std::string>({"Add", "Mul", "Add", "Mul", "Sub", "Div", "Min"});
    const Value a = operand();
    std::vector<std::size_t> fit;
    for (std::size_t i = 0; i < values_.size(); ++i) {
      if (values_[i].dims == a.dims) fit.push_back(i);
    }
    std::string other;
    if (!fit.empty() && chance(60)) {
      Value b = values_[fit[below(fit.size())]];
      if (!b.pair && chance(80)) b = paired(b);
      other = b.name;
    } else {
      const Tensor numbers = random_tensor({a.dims.back()}, random_(), 0.5F, 1.5F);
      other = constant(numbers);
      if (chance(60)) {
        const std::size_t which = a.pair.value_or(new_params());
        const Params& params = params_[which];
        std::vector<std::uint8_t> bytes(static_cast<std::size_t>(a.dims.back()), 131);
        if (params.dtype == DType::kUInt8) {
          other = dequantized(constant(Tensor::of({a.dims.back()}, bytes)), which);
        } else {
          other = paired({other, {a.dims.back()}, {}}, which).name;
        }
      }
    }
    const std::string y = fresh("binary");
    builder_.node(op, {a.name, other}, {y});
    produce(y, a.dims);
  }

  void unary() {
    const std::string op =
        pick<std::string>({"Sigmoid", "LeakyRelu", "Softmax", "Relu", "HardSigmoid", "Tanh", "Sqrt",
                           "Identity", "Sigmoid", "LeakyRelu"});
    const Value x = operand();
    const std::string y = fresh("unary");
    builder_.node(op, {x.name}, {y});
    produce(y, x.dims);
  }

  void pool() {
    const Value x = operand(4);
    const std::string op =
        pick<std::string>({"MaxPool", "MaxPool", "AveragePool", "GlobalAveragePool"});
    const std::string y = fresh("pool");
    if (op == "GlobalAveragePool") {
      builder_.node(op, {x.name}, {y});
      produce(y, {x.dims[0], x.dims[1], 1, 1});
      return;
    }
    builder_.node(op, {x.name}, {y}, {{"kernel_shape", ints({1, 1})}});
    produce(y, x.dims, x.pair);
  }

  void move() {
    const Value x = operand();
    const std::string y = fresh("moved");
    std::vector<std::int64_t> dims = x.dims;
    std::int64_t count = 1;
    for (const std::int64_t dim : dims) count *= dim;
    switch (below(12)) {
      case 0:
        dims = {dims[0], count / dims[0]};
        builder_.node("Reshape", {x.name, ints_constant({dims[0], -1})}, {y});
        break;
      case 1:
        dims = {dims[0], count / dims[0]};
        builder_.node("Flatten", {x.name}, {y});
        break;
      case 2: {
        std::vector<std::int64_t> perm(dims.size());
        for (std::size_t i = 0; i < perm.size(); ++i)
          perm[i] = static_cast<std::int64_t>((i + 1) % perm.size());
        std::vector<std::int64_t> turned;
        for (const std::int64_t axis : perm) turned.push_back(dims[static_cast<std::size_t>(axis)]);
        dims = turned;
        builder_.node("Transpose", {x.name}, {y}, {{"perm", perm}});
        break;
      }
      case 3:
        builder_.node("Slice",
                      {x.name, ints_constant({0}), ints_constant({2}),
                       ints_constant({static_cast<std::int64_t>(dims.size()) - 1})},
                      {y});
        dims.back() = std::min<std::int64_t>(2, dims.back());
        break;
      case 4:
        builder_.node("Gather", {x.name, ints_constant({0, 0, 0})}, {y},
                      {{"axis", static_cast<std::int64_t>(dims.size()) - 1}});
        dims.back() = 3;
        break;
      case 5:
        builder_.node("Unsqueeze", {x.name, ints_constant({0})}, {y});
        dims.insert(dims.begin(), 1);
        break;
      case 6:
        if (chance(50)) {
          builder_.node("Expand", {x.name, ints_constant({1})}, {y});
        } else {
          dims.insert(dims.begin(), 2);
          builder_.node("Expand", {x.name, ints_constant(dims)}, {y});
        }
        break;
      case 7:
        builder_.node("Tile", {x.name, ints_constant(std::vector<std::int64_t>(dims.size(), 2))},
                      {y});
        for (std::int64_t& dim : dims) dim *= 2;
        break;
      case 8: {
        if (dims.back() % 2 != 0) {
          builder_.node("Identity", {x.name}, {y});
          break;
        }
        const std::string z = fresh("moved");
        dims.back() /= 2;
        builder_.node("Split", {x.name, ints_constant({dims.back(), dims.back()})}, {y, z},
                      {{"axis", static_cast<std::int64_t>(dims.size()) - 1}});
        produce(z, dims, x.pair);
        break;
      }
      case 9: {
        if (dims.size() != 4) {
          builder_.node("Identity", {x.name}, {y});
          break;
        }
        dims[2] *= 2;
        dims[3] *= 2;
        builder_.node(
            "Resize",
            {x.name, "", constant(Tensor::of<float>({4}, std::vector<float>{1, 1, 2, 2}))}, {y},
            {{"mode", pick<std::string>({"nearest", "nearest", "linear"})}});
        break;
      }
      case 10: {
        if (dims.size() != 4 || dims[1] % 4 != 0) {
          builder_.node("Identity", {x.name}, {y});
          break;
        }
        dims = {dims[0], dims[1] / 4, dims[2] * 2, dims[3] * 2};
        builder_.node("DepthToSpace", {x.name}, {y}, {{"blocksize", std::int64_t{2}}});
        break;
      }
      default: {
        std::vector<std::int64_t> pads(dims.size() * 2, 0);
        if (chance(70)) {
          pads[dims.size() - 1] = 1;
          ++dims.back();
        }
        builder_.node("Pad", {x.name, ints_constant(pads)}, {y});
        break;
      }
    }
    produce(y, dims, x.pair);
  }

  void reduce() {
    const Value x = operand();
    const std::string y = fresh("reduced");
    builder_.node(pick<std::string>({"ReduceMax", "ReduceMin", "ReduceMean"}), {x.name}, {y});
    produce(y, std::vector<std::int64_t>(x.dims.size(), 1), x.pair);
  }

  void concat() {
    const Value a = operand();
    Value b = operand(a.dims.size());
    if (a.dims != b.dims) b = a;
    const std::string y = fresh("joined");
    std::vector<std::int64_t> dims = a.dims;
    dims.back() *= 2;
    builder_.node("Concat", {a.name, b.name}, {y},
                  {{"axis", static_cast<std::int64_t>(dims.size()) - 1}});
    produce(y, dims);
  }

  void where() {
    const Value a = operand();
    const std::vector<std::uint8_t> truth(static_cast<std::size_t>(a.dims.back()), 1);
    const auto bytes = std::as_bytes(std::span(truth));
    const std::string condition = constant(
        Tensor(DType::kBool, {a.dims.back()}, std::vector<std::byte>(bytes.begin(), bytes.end())));
    std::string other = constant(Tensor::scalar(-3.0F));
    if (chance(50)) other = operand(a.dims.size()).name;
    const std::string y = fresh("chosen");
    if (chance(50) || other == a.name) {
      builder_.node("Where", {condition, a.name, constant(Tensor::scalar(-2.0F))}, {y});
    } else {
      const Value b = paired({constant(Tensor::scalar(0.5F)), {}, {}}, a.pair);
      builder_.node("Where", {condition, a.name, b.name}, {y});
    }
    produce(y, a.dims);
  }

  void add_operator() {
    switch (below(16)) {
      case 0:
      case 1:
      case 2:
        return conv();
      case 3:
        return chance(20) ? conv_transpose() : attention();
      case 4:
      case 5:
        return matmul();
      case 6:
        return gemm();
      case 7:
      case 8:
        return binary();
      case 9:
        return unary();
      case 10:
        return pool();
      case 11:
      case 12:
        return move();
      case 13:
        return reduce();
      case 14:
        return concat();
      default:
        return where();
    }
  }

  /// What nothing reads is an output, and perhaps something that is read too.
  void finish() {
    std::vector<std::string> read;
    std::vector<std::string> made;
    for (const Node& node : builder_.graph().nodes) {
      read.insert(read.end(), node.inputs.begin(), node.inputs.end());
      made.insert(made.end(), node.outputs.begin(), node.outputs.end());
    }
    const bool extra = !tidy_ && chance(15);
    bool any = false;
    const auto nodes = builder_.graph().nodes;
    for (const Node& node : nodes) {
      for (const std::string& output : node.outputs) {
        const bool unread = std::ranges::find(read, output) == read.end();
        if (!unread && !(extra && chance(5))) continue;
        builder_.untyped_output(output);
        any = true;
      }
    }
    if (!any) builder_.untyped_output(made.back());
  }

  std::mt19937_64 random_;
  std::int64_t opset_;
  GraphBuilder builder_;
  std::size_t nodes_left_;
  std::size_t next_ = 0;
  bool wide_ = false;
  bool tidy_ = false;
  bool mixed_ = false;
  bool weight_is_per_channel_ = false;
  DType main_type_ = DType::kUInt8;
  std::vector<Value> values_;
  std::vector<std::pair<Value, std::string>> integers_;
  std::vector<Params> params_;
};

}  // namespace

Model random_qdq_model(std::uint64_t seed, std::size_t max_nodes) {
  return Generator(seed, max_nodes).make();
}

}  // namespace planish::test
