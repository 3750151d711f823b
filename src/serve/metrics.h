// What Prometheus scrapes.
#pragma once

#include <string>
#include <vector>

#include "planish/serve/shadow.h"
#include "serve/capture_set.h"
#include "serve/executor.h"
#include "serve/model_registry.h"

namespace planish::serve {

struct MetricsInput {
  std::vector<ModelStatus> models = {};
  std::vector<ShadowReport> shadows = {};
  std::vector<CaptureCounts> captures = {};
  std::size_t waiting = 0;
  std::size_t running = 0;
  std::size_t workers = 0;
  std::size_t connections = 0;
};

/// The text exposition format, version 0.0.4. Names and meaning: docs/serving.md.
std::string write_metrics(const MetricsInput& input);

/// The statistics extension: {"model_stats": […]} of the active versions.
std::string write_statistics(const std::vector<ModelStatus>& models);

}  // namespace planish::serve
