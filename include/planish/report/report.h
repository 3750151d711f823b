// What `auto` and `diagnose` found, for programs and for people.
#pragma once

#include <filesystem>
#include <string>

#include "planish/diagnose/diagnose.h"
#include "planish/pipeline/auto.h"

namespace planish {

/// report.json, schema 1 (docs/formats/report.md). `path` of the chosen model is relative to the
/// folder.
Json to_json(const AutoReport& report);

/// report.html: one file that needs no network, light and dark, readable on a phone.
std::string to_html(const AutoReport& report);

/// A diagnosis as such a page.
std::string to_html(const DiagnoseReport& diagnosis);

/// Writes model.onnx, calibration.json, report.json and report.html into `folder`.
///
/// A folder that does not exist yet appears whole or not at all. In one that exists, each file is
/// replaced whole, report.json last: while it is the old one, so is what it speaks of or it is
/// being replaced.
/// @throws Error as AtomicFile; nothing is half-written.
void save_auto_result(const AutoResult& result, const std::filesystem::path& folder);

}  // namespace planish
