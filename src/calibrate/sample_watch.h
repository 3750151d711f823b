// Data sets that wrap another one: a part of it, and one that looks at what is read.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "planish/dataset/dataset.h"

namespace planish {

/// The samples of `all` at `places`; both must outlive it.
class PartOfDataset : public Dataset {
 public:
  PartOfDataset(const Dataset& all, std::span<const std::size_t> places)
      : all_(all), places_(places) {}
  [[nodiscard]] std::size_t size() const override { return places_.size(); }
  [[nodiscard]] std::string name(std::size_t i) const override { return all_.name(places_[i]); }
  [[nodiscard]] Sample read(std::size_t i) const override { return all_.read(places_[i]); }
  [[nodiscard]] std::optional<std::string> encoded_image(std::size_t i) const override {
    return all_.encoded_image(places_[i]);
  }
  /// Of no part: whoever uses parts knows the whole.
  [[nodiscard]] std::string digest() const override { return {}; }

 private:
  const Dataset& all_;
  std::span<const std::size_t> places_;
};

/// Remembers, of each sample that is read, what it holds.
class WatchedDataset : public Dataset {
 public:
  explicit WatchedDataset(const Dataset& all) : all_(all) {}
  [[nodiscard]] std::size_t size() const override { return all_.size(); }
  [[nodiscard]] std::string name(std::size_t i) const override { return all_.name(i); }
  [[nodiscard]] Sample read(std::size_t i) const override;
  [[nodiscard]] std::optional<std::string> encoded_image(std::size_t i) const override {
    return all_.encoded_image(i);
  }
  [[nodiscard]] std::string digest() const override { return all_.digest(); }

  /// Names of samples whose inputs are equal bit for bit, by name, in groups of two and more.
  [[nodiscard]] std::vector<std::vector<std::string>> duplicates() const;
  /// Names of the samples with an input of 16 elements or more that all have one value.
  [[nodiscard]] std::vector<std::string> constant() const;

 private:
  const Dataset& all_;
  mutable std::mutex mutex_;                                  // guards what follows
  mutable std::map<std::size_t, std::string> contents_ = {};  // SHA-256 by sample
  mutable std::map<std::size_t, bool> is_constant_ = {};
};

}  // namespace planish
