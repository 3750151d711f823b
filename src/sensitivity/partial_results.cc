#include "sensitivity/partial_results.h"

#include <utility>

#include "planish/base/error.h"
#include "planish/base/file.h"

namespace planish::sensitivity_detail {
namespace {

constexpr int kSchema = 1;

template <typename T>
void put(Json& json, std::string_view key, const std::optional<T>& value) {
  if (value) json[std::string(key)] = *value;
}

std::optional<double> number(const Json& json, std::string_view key) {
  if (!json.contains(key)) return std::nullopt;
  return json_get<double>(json, key);
}

std::optional<OutputEffect> effect_from(const Json& json, std::string_view key) {
  if (!json.contains(key)) return std::nullopt;
  const Json& effect = json.at(std::string(key));
  return OutputEffect{.relative_noise = json_get<double>(effect, "relative_noise"),
                      .cosine_mean = json_get<double>(effect, "cosine_mean"),
                      .cosine_min = json_get<double>(effect, "cosine_min"),
                      .kl_divergence = number(effect, "kl_divergence"),
                      .top1_agreement = number(effect, "top1_agreement"),
                      .top1 = number(effect, "top1")};
}

}  // namespace

Json effect_json(const OutputEffect& effect) {
  Json json;
  json["relative_noise"] = effect.relative_noise;
  json["cosine_mean"] = effect.cosine_mean;
  json["cosine_min"] = effect.cosine_min;
  put(json, "kl_divergence", effect.kl_divergence);
  put(json, "top1_agreement", effect.top1_agreement);
  put(json, "top1", effect.top1);
  return json;
}

Json measured_json(const LayerSensitivity& layer) {
  Json json = Json::object();
  put(json, "local_noise", layer.local_noise);
  put(json, "accumulated_noise", layer.accumulated_noise);
  if (layer.only_int8) json["only_int8"] = effect_json(*layer.only_int8);
  if (layer.only_fp32) json["only_fp32"] = effect_json(*layer.only_fp32);
  if (!layer.not_measured_because.empty())
    json["not_measured_because"] = layer.not_measured_because;
  return json;
}

void read_measured(const Json& json, LayerSensitivity& layer) {
  layer.local_noise = number(json, "local_noise");
  layer.accumulated_noise = number(json, "accumulated_noise");
  layer.only_int8 = effect_from(json, "only_int8");
  layer.only_fp32 = effect_from(json, "only_fp32");
  if (json.contains("not_measured_because"))
    layer.not_measured_because = json_get<std::string>(json, "not_measured_because");
}

PartialResults::PartialResults(std::optional<std::filesystem::path> path, std::string key)
    : path_(std::move(path)), key_(std::move(key)) {
  if (!path_ || !std::filesystem::exists(*path_)) return;
  in_context(path_->string(), [&] {
    const Json json = parse_json(read_file(*path_));
    if (json_get<std::string>(json, "key") != key_) return;
    const Json layers = json_get<Json>(json, "layers");
    for (const auto& [name, measured] : layers.items()) {
      LayerSensitivity checked;
      read_measured(measured, checked);
      layers_.emplace(name, measured);
    }
  });
}

bool PartialResults::find(LayerSensitivity& layer) const {
  const auto found = layers_.find(layer.layer.name);
  if (found == layers_.end()) return false;
  read_measured(found->second, layer);
  return true;
}

void PartialResults::keep(const LayerSensitivity& layer) {
  if (!path_) return;
  const std::lock_guard lock(mutex_);
  layers_[layer.layer.name] = measured_json(layer);
  Json json;
  json["schema"] = kSchema;
  json["key"] = key_;
  json["layers"] = layers_;
  write_file_atomically(*path_, to_text(json));
}

}  // namespace planish::sensitivity_detail
