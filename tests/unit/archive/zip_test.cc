// ZipArchive: what is read, and how archives that lie are refused.
#include "planish/archive/zip.h"

#include <gtest/gtest.h>

#include <span>
#include <string>

#include "support/throws.h"
#include "support/zip_writer.h"

namespace planish::test {
namespace {

using namespace std::string_literals;

ZipArchive open(const std::string& zip, const ZipLimits& limits = {}) {
  return ZipArchive(std::as_bytes(std::span(zip)), "archive", limits);
}

/// Opens the archive and reads every member.
void read_all(const std::string& zip, const ZipLimits& limits = {}) {
  const ZipArchive archive = open(zip, limits);
  for (const ZipMember& member : archive.members()) (void)archive.extract(member);
}

testing::AssertionResult refused(const std::string& zip, ErrorCode code, std::string_view part) {
  return throws(code, [&] { read_all(zip); }, {part});
}

const std::vector<ZipEntry> kTwo{{.name = "a/first", .content = "one"},
                                 {.name = "a/second", .content = "twotwo"}};

std::string two_with(void (*change)(ZipEntry&)) {
  std::vector<ZipEntry> entries = kTwo;
  change(entries[1]);
  return zip_of(entries);
}

TEST(ZipArchive, ReadsStoredAndDeflatedMembers) {
  const std::string text(5000, 'x');
  const std::string zip = zip_of({kTwo[0], deflated("packed", text)});
  const ZipArchive archive = open(zip);
  ASSERT_EQ(archive.members().size(), 2U);
  EXPECT_EQ(archive.extract(*archive.find("a/first")), "one");
  EXPECT_EQ(archive.extract(*archive.find("packed")), text);
  EXPECT_EQ(archive.find("absent"), nullptr);
}

TEST(ZipArchive, ViewsStoredMembersWhereTheyLie) {
  const std::string zip = zip_of(kTwo);
  const ZipArchive archive = open(zip);
  const auto view = archive.view(*archive.find("a/second"));
  EXPECT_GE(reinterpret_cast<const char*>(view.data()), zip.data());
  EXPECT_LT(reinterpret_cast<const char*>(view.data()), zip.data() + zip.size());
  EXPECT_EQ(view.size(), 6U);
}

TEST(ZipArchive, RefusesEveryPrefix) {
  const std::string zip = zip_of(kTwo);
  for (std::size_t size = 0; size < zip.size(); ++size)
    EXPECT_TRUE(throws(ErrorCode::kCorrupt, [&] { read_all(zip.substr(0, size)); })) << size;
}

TEST(ZipArchive, ReadsOrRefusesWhateverByteChanges) {
  const std::string zip = zip_of({kTwo[0], deflated("packed", std::string(100, 'x'))});
  for (std::size_t at = 0; at < zip.size(); ++at) {
    std::string changed = zip;
    changed[at] = static_cast<char>(changed[at] ^ 0xff);
    try {
      read_all(changed);
    } catch (const Error& error) {
      EXPECT_NE(error.code(), ErrorCode::kInternal) << at << ": " << error.what();
    }
  }
}

TEST(ZipArchive, RefusesOffsetsThatLie) {
  const auto moved = [](std::uint32_t offset) {
    std::vector<ZipEntry> entries = kTwo;
    entries[1].header_offset = offset;
    return zip_of(entries);
  };
  EXPECT_TRUE(refused(moved(0xfffffff0U), ErrorCode::kCorrupt, "overlaps the directory"));
  EXPECT_TRUE(refused(moved(10), ErrorCode::kCorrupt, "'a/first' overlaps 'a/second'"));
  EXPECT_TRUE(refused(moved(70), ErrorCode::kCorrupt, "'a/second' is not where"));
  EXPECT_TRUE(refused(zip_of(kTwo, {.directory_offset = 0x7fffffffU}), ErrorCode::kCorrupt,
                      "beyond the end"));
  EXPECT_TRUE(refused(zip_of(kTwo, {.directory_offset = 3}), ErrorCode::kCorrupt,
                      "a directory entry is missing"));
}

TEST(ZipArchive, RefusesMembersThatShareBytes) {
  // Two names for one content, and a content that runs into the next header.
  std::vector<ZipEntry> same = kTwo;
  same[1].header_offset = 0;
  EXPECT_TRUE(refused(zip_of(same), ErrorCode::kCorrupt, "overlaps"));
  std::vector<ZipEntry> longer = kTwo;
  longer[0].packed_bytes = longer[0].bytes = 40;
  EXPECT_TRUE(refused(zip_of(longer), ErrorCode::kCorrupt, "'a/first' overlaps"));
}

TEST(ZipArchive, RefusesAHeaderOfAnotherName) {
  EXPECT_TRUE(refused(two_with([](ZipEntry& entry) { entry.local_name = "a/sec\0nd"s; }),
                      ErrorCode::kCorrupt, "not where the directory says"));
}

TEST(ZipArchive, RefusesSizesThatLie) {
  EXPECT_TRUE(refused(two_with([](ZipEntry& entry) { entry.bytes = 7; }), ErrorCode::kCorrupt,
                      "stored with two sizes"));
  EXPECT_TRUE(refused(two_with([](ZipEntry& entry) { entry.packed_bytes = 0x7ffffff0U; }),
                      ErrorCode::kCorrupt, "overlaps"));
}

TEST(ZipArchive, RefusesContentThatDoesNotMatchItsChecksum) {
  EXPECT_TRUE(refused(two_with([](ZipEntry& entry) { entry.crc = 1; }), ErrorCode::kCorrupt,
                      "'a/second' does not match its checksum"));
}

TEST(ZipArchive, RefusesEncryptedMembersAndUnknownMethods) {
  EXPECT_TRUE(refused(two_with([](ZipEntry& entry) { entry.flags = 1; }), ErrorCode::kUnsupported,
                      "encrypted"));
  EXPECT_TRUE(refused(two_with([](ZipEntry& entry) { entry.method = 14; }), ErrorCode::kUnsupported,
                      "method 14"));
}

TEST(ZipArchive, RefusesBombsBeforeMemoryIsTaken) {
  // Claims 4 GB of three bytes: no deflate stream expands by more than 1032.
  ZipEntry bomb = deflated("bomb", "one");
  bomb.bytes = 0xfffffff0U;
  EXPECT_TRUE(throws(ErrorCode::kCorrupt,
                     [&] { read_all(zip_of({bomb}), {.max_bytes = std::uint64_t{1} << 40}); },
                     {"claims too much"}));
  EXPECT_TRUE(refused(zip_of({bomb, kTwo[0], bomb}), ErrorCode::kExhausted, "unpacks to"));
  // What it really holds is larger than what it says.
  ZipEntry larger = deflated("larger", std::string(100'000, 'x'));
  larger.bytes = 10;
  EXPECT_TRUE(refused(zip_of({larger}), ErrorCode::kCorrupt, "of another size"));
}

TEST(ZipArchive, RefusesTooManyMembers) {
  EXPECT_TRUE(throws(ErrorCode::kExhausted, [&] { read_all(zip_of(kTwo), {.max_members = 1}); },
                     {"2 members", "at most 1"}));
  EXPECT_TRUE(refused(zip_of(kTwo, {.members = 3000}), ErrorCode::kCorrupt, "missing"));
}

TEST(ZipArchive, RefusesZip64NumbersThatLie) {
  // A zip64 field in place of sizes: 2^63 bytes, and one that is cut short.
  std::string field = "\x01\0\x08\0"s + std::string(7, '\0') + "\x80";
  EXPECT_TRUE(throws(ErrorCode::kExhausted, [&] {
    read_all(zip_of({{.name = "a", .content = "one", .bytes = 0xffffffffU, .extra = field}}));
  }));
  field.pop_back();
  EXPECT_TRUE(throws(ErrorCode::kCorrupt, [&] {
    read_all(zip_of({{.name = "a", .content = "one", .bytes = 0xffffffffU, .extra = field}}));
  }));
}

}  // namespace
}  // namespace planish::test
