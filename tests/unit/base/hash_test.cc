#include "planish/base/hash.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "planish/base/file.h"
#include "support/throws.h"

namespace planish::test {
namespace {

// Vectors of NIST's examples for FIPS 180-4, and of the empty message.
TEST(Sha256Hex, AgreesWithTheVectorsOfTheStandard) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256_hex(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256Hex, DoesNotDependOnHowTheBytesAreCut) {
  Sha256 hash;
  for (const char* part : {"a", "", "b", "c"}) hash.update(part);
  EXPECT_EQ(hash.hex(), sha256_hex("abc"));
}

TEST(Sha256HexOfFile, IsThatOfItsBytes) {
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "f") << "abc";
  std::ofstream(folder.path() / "empty");
  EXPECT_EQ(sha256_hex_of_file(folder.path() / "f"), sha256_hex("abc"));
  EXPECT_EQ(sha256_hex_of_file(folder.path() / "empty"), sha256_hex(""));
  EXPECT_TRUE(
      throws(ErrorCode::kNotFound, [&] { (void)sha256_hex_of_file(folder.path() / "none"); }));
}

}  // namespace
}  // namespace planish::test
