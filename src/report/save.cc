#include <fmt/format.h>

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/json.h"
#include "planish/onnx/onnx.h"
#include "planish/report/report.h"

namespace planish {
namespace {

namespace fs = std::filesystem;

void write_all(const AutoResult& result, const fs::path& folder) {
  save_model(result.model, folder / "model.onnx");
  save_calibration_table(result.calibration, folder / "calibration.json");
  write_file_atomically(folder / "report.html", to_html(result.report));
  write_file_atomically(folder / "report.json", to_text(to_json(result.report)));
}

}  // namespace

void save_auto_result(const AutoResult& result, const fs::path& folder) {
  const fs::path target = fs::absolute(folder).lexically_normal();
  const fs::path named = target.has_filename() ? target : target.parent_path();
  std::error_code failure;
  if (fs::exists(named, failure)) {
    if (!fs::is_directory(named, failure)) {
      throw Error(ErrorCode::kInvalidArgument,
                  named.string() + " is a file; expected a folder to write to");
    }
    write_all(result, named);
    return;
  }
  fs::create_directories(named.parent_path(), failure);
  const TemporaryFolder temporary(named.parent_path());
  const fs::path made = temporary.path() / named.filename();
  fs::create_directory(made, failure);
  if (failure) throw Error(ErrorCode::kUnavailable, made.string() + ": " + failure.message());
  write_all(result, made);
  fs::rename(made, named, failure);
  if (failure) throw Error(ErrorCode::kUnavailable, named.string() + ": " + failure.message());
}

}  // namespace planish
