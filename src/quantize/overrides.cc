#include "quantize/overrides.h"

#include <algorithm>

#include "planish/base/error.h"

namespace planish::quantize_detail {
namespace {

[[noreturn]] void refuse(const std::string& why) { throw Error(ErrorCode::kInvalidArgument, why); }

void require_zero_point(const ParamsOverride& params, DType dtype) {
  if (!params.zero_point) return;
  const IntegerLimits limits = integer_limits(dtype);
  if (*params.zero_point >= limits.min && *params.zero_point <= limits.max) return;
  refuse("zero point " + std::to_string(*params.zero_point) + " is no " +
         std::string(name_of(dtype)));
}

void validate_activation(const TensorOverride& value, const QuantizationConfig& config) {
  if (value.axis) refuse("'axis' is for initializers: activations have one scale");
  const ParamsOverride& params = value.params.front();
  if (params.reduce_range) refuse("'reduce_range' is for initializers");
  const DType dtype = params.dtype.value_or(config.activation);
  require_zero_point(params, dtype);
  if (!value.convert) return;
  require_zero_point(value.convert->params, *value.convert->params.dtype);
  if (value.convert->params.dtype == dtype)
    refuse("'convert' to " + short_name_of(dtype) + ", which it is quantized to already");
  if (config.dedicated_qdq_pairs)
    refuse("'convert' has one pair for several readers; not with dedicated Q/DQ pairs");
}

void validate_initializer(const TensorOverride& value, const Tensor& tensor, DType dtype) {
  if (value.convert) refuse("'convert' is for activations");
  for (const ParamsOverride& params : value.params) {
    require_zero_point(params, value.params.front().dtype.value_or(dtype));
  }
  if (value.axis && !normalized_axis(*value.axis, tensor.rank())) {
    refuse("axis " + std::to_string(*value.axis) + " of a tensor of shape " +
           to_string(tensor.dims()));
  }
}

}  // namespace

const TensorOverride* override_of(const QuantizationConfig& config, const std::string& tensor) {
  const auto found = config.tensor_overrides.find(tensor);
  return found == config.tensor_overrides.end() ? nullptr : &found->second;
}

DType dtype_of(const QuantizationConfig& config, const std::string& tensor, DType fallback) {
  const TensorOverride* value = override_of(config, tensor);
  return value == nullptr ? fallback : value->params.front().dtype.value_or(fallback);
}

void override_options(const ParamsOverride& set, ParamsOptions& options) {
  if (set.symmetric)
    options.symmetry = *set.symmetric ? Symmetry::kSymmetric : Symmetry::kAsymmetric;
  if (set.reduce_range)
    options.integers = *set.reduce_range ? IntegerRange::kReduced : IntegerRange::kFull;
}

QuantizationParams overridden_params(const ParamsOverride* set, TensorRange range, DType dtype,
                                     const ParamsOptions& options) {
  if (set == nullptr) return params_for(range, dtype, options);
  if (set->scale) {
    const float scale = options.scale_dtype == DType::kFloat16
                            ? float_from_half(half_from_float(*set->scale))
                            : *set->scale;
    return {scale, *set->zero_point, dtype};
  }
  return params_for({set->min.value_or(range.min), set->max.value_or(range.max)}, dtype, options);
}

bool receives_converted(const QuantizationConfig& config, const std::string& tensor,
                        const std::string& reader) {
  const TensorOverride* value = override_of(config, tensor);
  if (value == nullptr || !value->convert) return false;
  const auto& readers = value->convert->readers;
  return !readers || std::ranges::find(*readers, reader) != readers->end();
}

bool overrides_to_16_bits(const TensorOverrides& overrides) {
  const auto is_wide = [](const ParamsOverride& params) {
    return params.dtype == DType::kUInt16 || params.dtype == DType::kInt16;
  };
  return std::ranges::any_of(overrides, [&](const auto& entry) {
    const TensorOverride& value = entry.second;
    return std::ranges::any_of(value.params, is_wide) ||
           (value.convert && is_wide(value.convert->params));
  });
}

void validate_overrides(const QuantizationConfig& config, const GraphFacts& facts) {
  for (const auto& [tensor, value] : config.tensor_overrides) {
    in_context("overrides of '" + tensor + "'", [&, &name = tensor, &entry = value] {
      if (entry.params.empty() || (entry.params.size() > 1 && !entry.axis))
        refuse("expected one entry, or with 'axis' one per channel");
      if (const Initializer* constant = facts.constant(name)) {
        return validate_initializer(entry, constant->value, config.weight);
      }
      if (facts.index().type(name) == nullptr && facts.producer(name) == nullptr)
        refuse("the model has no such tensor");
      validate_activation(entry, config);
    });
  }
}

}  // namespace planish::quantize_detail
