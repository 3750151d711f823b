#include "torch/ops_linear.h"

#include <cmath>
#include <limits>
#include <numeric>

#include "torch/ops_common.h"

namespace planish::torch::ops {
namespace {

/// a * factor, for a factor other than 1.
std::string scaled(Call& call, const std::string& value, double factor, DType dtype) {
  if (factor == 1.0) return value;
  return call.emit("Mul", {value, call.scalar(factor, dtype)});
}

/// [..., M, N] to [..., N, M], at once when it is a weight.
std::string transposed_matrix(Call& call, const Value& value) {
  if (call.constant_of(value) != nullptr) return call.transposed_constant(value);
  std::vector<std::int64_t> perm;
  for (std::int64_t axis = 0; axis < value.rank(); ++axis) perm.push_back(axis);
  std::swap(perm.at(perm.size() - 1), perm.at(perm.size() - 2));
  return transpose(call, value.name, perm);
}

/// The mask of an attention: true where there is attention, or numbers to be added.
std::string masked(Call& call, const std::string& scores, const Value& mask, DType dtype) {
  if (mask.dtype != DType::kBool)
    return call.emit("Add", {scores, call.cast(mask.name, mask.dtype, dtype)});
  // The lowest number, not minus infinity: a row without any attention must not become NaN.
  const std::string lowest =
      call.scalar(static_cast<double>(std::numeric_limits<float>::lowest()), dtype);
  return call.emit("Where", {mask.name, scores, lowest});
}

/// True on and below the diagonal. Returns bool [L, S].
std::string causal_mask(Call& call, const SymExpr& rows, const SymExpr& columns) {
  const std::string shape = call.symbols().vector_of({rows, columns});
  const std::string ones =
      call.emit("ConstantOfShape", {shape},
                {{"value", Box<Initializer>(Initializer{.value = Tensor::of<std::int32_t>(
                                                            {1}, std::vector<std::int32_t>{1})})}});
  const std::string lower = call.emit("Trilu", {ones}, {{"upper", std::int64_t{0}}});
  return call.cast(lower, DType::kInt32, DType::kBool);
}

/// Keys and values of grouped-query attention, repeated for the queries' heads.
Value repeated_heads(Call& call, const Value& value, const SymExpr& heads) {
  const std::size_t axis = value.shape.size() - 3;
  const auto have = value.shape.at(axis).integer();
  const auto want = heads.integer();
  if (!have || !want || *have == *want) return value;
  if (*have == 0 || *want % *have != 0)
    call.unsupported("its heads of queries are no multiple of those of keys");
  // [..., G, L, E] to [..., G, 1, L, E], repeated, to [..., H, L, E].
  Value repeated = value;
  repeated.shape.insert(repeated.shape.begin() + static_cast<std::ptrdiff_t>(axis) + 1, SymExpr(1));
  std::vector<std::int64_t> target(repeated.shape.size(), 1);
  target[axis + 1] = *want / *have;
  const std::string apart = unsqueeze(call, value.name, {static_cast<std::int64_t>(axis) + 1});
  repeated.name = call.emit("Expand", {apart, call.ints(target)});
  repeated.shape[axis + 1] = *want / *have;
  SymShape together = value.shape;
  together[axis] = *want;
  repeated.name = reshape(call, repeated, together);
  repeated.shape = together;
  return repeated;
}

}  // namespace

std::string product_along(Call& call, const std::string& value, DType dtype, std::int64_t rank,
                          std::int64_t axis, const Tensor& matrix) {
  // The axis in question last, where MatMul wants it.
  std::vector<std::int64_t> perm(static_cast<std::size_t>(rank));
  std::iota(perm.begin(), perm.end(), std::int64_t{0});
  std::swap(perm.back(), perm.at(static_cast<std::size_t>(axis)));
  const std::string factor = call.cast(call.constant(matrix), DType::kFloat32, dtype);
  const std::string product = call.emit("MatMul", {transpose(call, value, perm), factor});
  return transpose(call, product, perm);
}

void linear(Call& call) {
  const Value input = call.tensor("input");
  const Value weight = call.tensor("weight");
  const auto bias = call.tensor_if_given("bias");
  if (input.rank() == 2 && weight.rank() == 2) {
    call.give(call.emit("Gemm", {input.name, weight.name, bias ? bias->name : ""},
                        {{"transB", std::int64_t{1}}}));
    return;
  }
  const std::string factor = weight.rank() == 2 ? transposed_matrix(call, weight) : weight.name;
  const std::string product = call.emit("MatMul", {input.name, factor});
  call.give(bias ? call.emit("Add", {product, bias->name}) : product);
}

void matmul(Call& call) {
  const DType dtype = call.result().dtype;
  call.give(call.emit("MatMul", {call.operand("self", dtype), call.operand("other", dtype)}));
}

void mm(Call& call) {
  const DType dtype = call.result().dtype;
  call.give(call.emit("MatMul", {call.operand("self", dtype), call.operand("mat2", dtype)}));
}

void addmm(Call& call) {
  call.give(call.emit(
      "Gemm", {call.tensor("mat1").name, call.tensor("mat2").name, call.tensor("self").name},
      {{"alpha", static_cast<float>(call.real("alpha", 1.0))},
       {"beta", static_cast<float>(call.real("beta", 1.0))}}));
}

void baddbmm(Call& call) {
  const DType dtype = call.result().dtype;
  const std::string product =
      call.emit("MatMul", {call.tensor("batch1").name, call.tensor("batch2").name});
  const std::string added =
      scaled(call, call.operand("self", dtype), call.real("beta", 1.0), dtype);
  call.give(call.emit("Add", {added, scaled(call, product, call.real("alpha", 1.0), dtype)}));
}

void dot(Call& call) {
  const DType dtype = call.result().dtype;
  const std::string other = call.given("vec") ? "vec" : "tensor";
  call.give(call.emit("MatMul", {call.operand("self", dtype), call.operand(other, dtype)}));
}

void outer(Call& call) {
  const DType dtype = call.result().dtype;
  const std::string column = unsqueeze(call, call.operand("self", dtype), {1});
  call.give(call.emit("Mul", {column, call.operand("vec2", dtype)}));
}

void einsum(Call& call) {
  std::vector<std::string> operands;
  for (const Value& value : call.tensors("tensors"))
    operands.push_back(call.cast(value.name, value.dtype, call.result().dtype));
  call.give(call.emit("Einsum", operands, {{"equation", call.text("equation", "")}}));
}

/// softmax(Q K^T * scale + mask) V, in the order of nodes that ONNX Runtime's fusions know.
void scaled_dot_product_attention(Call& call) {
  const Value query = call.tensor("query");
  Value key = call.tensor("key");
  Value value = call.tensor("value");
  if (call.real("dropout_p", 0.0) > 0.0) {
    call.unsupported(
        "it drops attention at random (dropout_p > 0); export the model in "
        "evaluation mode: model.eval(), and pass dropout_p=0.0 then");
  }
  if (call.flag("enable_gqa", false)) {
    const SymExpr heads = query.shape.at(query.shape.size() - 3);
    key = repeated_heads(call, key, heads);
    value = repeated_heads(call, value, heads);
  }
  const auto width = query.shape.at(query.shape.size() - 1).integer();
  if (!width && !call.given("scale")) call.unsupported("the width of a head is not known");
  const double scale =
      call.real("scale", width ? 1.0 / std::sqrt(static_cast<double>(*width)) : 1.0);
  const DType dtype = query.dtype;
  std::string scores = call.emit("MatMul", {query.name, transposed_matrix(call, key)});
  scores = scaled(call, scores, scale, dtype);
  if (const auto mask = call.tensor_if_given("attn_mask"))
    scores = masked(call, scores, *mask, dtype);
  if (call.flag("is_causal", false)) {
    const SymExpr rows = query.shape.at(query.shape.size() - 2);
    const SymExpr columns = key.shape.at(key.shape.size() - 2);
    const Value mask{causal_mask(call, rows, columns), DType::kBool, {rows, columns}};
    scores = masked(call, scores, mask, dtype);
  }
  const std::string weights = call.emit("Softmax", {scores}, {{"axis", std::int64_t{-1}}});
  call.give(call.emit("MatMul", {weights, value.name}));
}

}  // namespace planish::torch::ops
