// The list of a folder of captured samples: which files count, and what they must hold.
// Format: docs/formats/capture.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace planish {

inline constexpr const char* kCaptureListName = "capture.json";

/// A file is named by the SHA-256 of its content: "<64 hex digits>.jpg", .png or .npz.
struct CapturedFile {
  std::string name = {};
  std::uint64_t bytes = 0;
  std::string version = {};  // of the model that answered: generation and digest
  std::string time = {};     // UTC, RFC 3339
};

struct CaptureList {
  std::string model = {};
  std::uint64_t seen = 0;  // requests of which the files are a uniform choice
  std::vector<CapturedFile> files = {};
};

/// Reads FOLDER/capture.json. @throws Error(kNotFound); kCorrupt; kUnsupported for a later schema.
CaptureList read_capture_list(const std::filesystem::path& folder);
/// Writes it whole or not at all.
void write_capture_list(const std::filesystem::path& folder, const CaptureList& list);

}  // namespace planish
