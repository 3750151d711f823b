#include "torch/ops_creation.h"

#include <algorithm>
#include <numeric>

#include "torch/constant_size.h"
#include "torch/number.h"
#include "torch/ops_common.h"

namespace planish::torch::ops {
namespace {

/// The result's shape filled with a scalar: by name when it is not a constant.
void filled(Call& call, const std::string& scalar) {
  if (call.result().shape.empty()) return call.give(scalar);
  call.give(call.emit("Expand", {scalar, call.symbols().vector_of(call.result().shape)}));
}

}  // namespace

void convert(Call& call) {
  const Value self = call.tensor("self");
  call.give(self.name, self.dtype);
}

void full(Call& call) { filled(call, call.operand("fill_value", call.result().dtype)); }
void zeros(Call& call) { filled(call, call.scalar(0.0, call.result().dtype)); }
void ones(Call& call) { filled(call, call.scalar(1.0, call.result().dtype)); }
void scalar_tensor(Call& call) { call.give(call.operand("s", call.result().dtype)); }

void arange(Call& call) {
  const DType dtype = call.result().dtype;
  const auto bound = [&](std::string_view name, double fallback) {
    return call.given(name) ? call.operand(name, dtype) : call.scalar(fallback, dtype);
  };
  const std::string start = bound("start", 0.0);
  const std::string end = bound("end", 0.0);
  call.give(call.emit("Range", {start, end, bound("step", 1.0)}));
}

void linspace(Call& call) {
  const DType dtype = call.result().dtype;
  if (!row_of(dtype).is_float) call.unsupported("steps between integers");
  const double start = call.real("start");
  const double end = call.real("end");
  const std::int64_t steps = call.integer("steps");
  std::vector<float> values;
  values.reserve(constant_elements(std::vector<std::int64_t>{steps}));
  for (std::int64_t i = 0; i < steps; ++i) {
    const double part = steps > 1 ? static_cast<double>(i) / static_cast<double>(steps - 1) : 0.0;
    values.push_back(static_cast<float>(start + part * (end - start)));
  }
  call.give(call.constant(Tensor::of({steps}, values)), DType::kFloat32);
}

void eye(Call& call) {
  const std::int64_t rows = call.integer("n");
  const std::int64_t columns = call.integer("m", rows);
  const std::vector<std::int64_t> dims{rows, columns};
  std::vector<float> values(constant_elements(dims), 0.0F);
  for (std::int64_t i = 0; i < std::min(rows, columns); ++i)
    values.at(static_cast<std::size_t>(i * columns + i)) = 1.0F;
  call.give(call.constant(Tensor::of(dims, values)), DType::kFloat32);
}

void one_hot(Call& call) {
  const Value self = call.tensor("self");
  const std::int64_t classes = call.integer("num_classes", -1);
  if (classes < 1) call.unsupported("num_classes is not given, so it depends on the data");
  std::vector<std::int64_t> numbers(constant_elements(std::vector<std::int64_t>{classes}));
  std::iota(numbers.begin(), numbers.end(), std::int64_t{0});
  const std::string classes_name = call.ints(numbers);
  const std::string value =
      unsqueeze(call, call.cast(self.name, self.dtype, DType::kInt64), {self.rank()});
  call.give(call.emit("Equal", {value, classes_name}), DType::kBool);
}

void fill(Call& call) { filled(call, call.operand("value", call.result().dtype)); }

void copy(Call& call) {
  const Value source = call.tensor("src");
  const std::string value = call.cast(source.name, source.dtype, call.result().dtype);
  if (source.shape == call.result().shape) return call.give(value);
  filled(call, value);
}

void random(Call& call) {
  call.unsupported(
      "it draws random numbers, so the model gives other answers every time; give them to "
      "forward() as an input, or leave them out in evaluation mode");
}

}  // namespace planish::torch::ops
