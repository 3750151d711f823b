#include "planish/diagnose/finding.h"

#include <algorithm>

namespace planish {

std::string_view name_of(Severity severity) {
  switch (severity) {
    case Severity::kHint:
      return "hint";
    case Severity::kWarning:
      return "warning";
    case Severity::kError:
      break;
  }
  return "error";
}

std::string_view name_of(Subject subject) {
  switch (subject) {
    case Subject::kModel:
      return "model";
    case Subject::kData:
      return "data";
    case Subject::kMachine:
      break;
  }
  return "machine";
}

std::optional<Severity> severity_from(std::string_view name) {
  for (const Severity severity : {Severity::kHint, Severity::kWarning, Severity::kError}) {
    if (name_of(severity) == name) return severity;
  }
  return std::nullopt;
}

std::string findings_markdown() {
  std::string text = "| code | severity | about | what | why |\n| --- | --- | --- | --- | --- |\n";
  for (const FindingRow& row : kFindings) {
    text += "| `" + std::string(row.name) + "` | " + std::string(name_of(row.severity)) + " | " +
            std::string(name_of(row.subject)) + " | " + std::string(row.title) + " | " +
            std::string(row.meaning) + " |\n";
  }
  return text;
}

}  // namespace planish
