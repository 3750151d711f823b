#include "planish/base/json.h"

#include "planish/store/store.h"

namespace planish::store {

Json to_json(const Generation& generation) {
  Json json;
  json["generation"] = generation.number;
  json["digest"] = generation.digest.text();
  json["created"] = generation.created;
  json["by"] = generation.by;
  json["labels"] = generation.labels;
  json["active"] = generation.is_active;
  return json;
}

Json to_json(const HistoryEntry& entry) {
  Json json;
  json["sequence"] = entry.sequence;
  json["action"] = name_of(entry.action);
  json["generation"] = entry.generation;
  json["digest"] = entry.digest.text();
  json["time"] = entry.time;
  json["by"] = entry.by;
  json["why"] = entry.why;
  json["took_effect"] = entry.took_effect;
  return json;
}

Json to_json(const VerifyReport& report) {
  Json json;
  json["blobs"] = report.blobs;
  json["bytes"] = report.bytes;
  json["versions"] = report.versions;
  json["damages"] = Json::array();
  for (const Damage& damage : report.damages)
    json["damages"].push_back(
        {{"code", damage.code}, {"path", damage.path}, {"text", damage.text}});
  return json;
}

Json to_json(const GcReport& report) {
  Json json;
  json["forgotten"] = report.forgotten;
  json["removed_blobs"] = report.removed_blobs;
  json["removed_bytes"] = report.removed_bytes;
  return json;
}

}  // namespace planish::store
