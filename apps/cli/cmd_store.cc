#include <fmt/format.h>

#include <memory>

#include "command.h"
#include "options.h"
#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/serve/client.h"
#include "planish/serve/gate.h"
#include "planish/store/store.h"
#include "planish/store/version_files.h"
#include "terminal.h"

namespace planish::cli {
namespace {

namespace fs = std::filesystem;

using store::ActiveVersion;
using store::Generation;
using store::ModelStore;

struct Options {
  fs::path store;
  std::string name;
  std::string version;
  std::string label;
  store::VersionFiles files;
  bool activate = false;
  bool remove_label = false;
  store::Author author;
  store::GcConfig gc;
  fs::path layout;
  // The gate of activate.
  serve::GateConfig gate;
  bool gated = false;
  std::string p99;
  std::string admin = to_string(serve::ServerConfig{}.admin);
  std::string token_file;
};

std::string short_digest(const store::Digest& digest) { return digest.hex().substr(0, 12); }

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

int put(const Options& options, const Context& context) {
  store::PutRequest request = store::version_from(options.files);
  request.name = options.name;
  if (!options.label.empty()) request.label = options.label;
  request.activate = options.activate;
  const store::PutResult result = ModelStore::create(options.store).put(request, options.author);
  Json json = to_json(result.generation);
  json["name"] = options.name;
  json["was_there"] = result.was_there;
  print(context, json, [&](std::ostream& out) {
    out << options.name << " generation " << result.generation.number << "  "
        << result.generation.digest.text() << (result.was_there ? "  (was there)" : "")
        << (result.generation.is_active ? "  active" : "") << '\n';
  });
  return kExitSuccess;
}

int list(const Options& options, const Context& context) {
  const auto models = ModelStore::open(options.store).list();
  Json json = Json::array();
  for (const store::ModelListing& model : models) {
    Json one;
    one["name"] = model.name;
    one["generations"] = model.generations;
    if (model.active) {
      one["active"] = {{"generation", model.active->generation},
                       {"digest", model.active->digest.text()}};
    } else {
      one["active"] = nullptr;
    }
    json.push_back(std::move(one));
  }
  print(context, json, [&](std::ostream& out) {
    TextTable table({"name", "generations", "active", "digest"});
    for (const store::ModelListing& model : models) {
      table.add({model.name, std::to_string(model.generations),
                 model.active ? std::to_string(model.active->generation) : "-",
                 model.active ? short_digest(model.active->digest) : "-"});
    }
    table.print(out);
  });
  return kExitSuccess;
}

Json part_json(const store::Part& part) {
  return {{"name", part.name},
          {"media_type", std::string(row_of(part.kind).media_type)},
          {"digest", part.digest.text()},
          {"bytes", part.bytes}};
}

int show(const Options& options, const Context& context) {
  const ModelStore models = ModelStore::open(options.store);
  const auto generations = models.generations(options.name);
  const auto history = models.history(options.name);
  Json json;
  json["name"] = options.name;
  json["generations"] = Json::array();
  for (const Generation& one : generations) {
    Json entry = to_json(one);
    entry["parts"] = Json::array();
    for (const store::Part& part : models.manifest(one.digest).parts)
      entry["parts"].push_back(part_json(part));
    json["generations"].push_back(std::move(entry));
  }
  json["history"] = Json::array();
  for (const store::HistoryEntry& entry : history) json["history"].push_back(to_json(entry));
  print(context, json, [&](std::ostream& out) {
    TextTable table({"generation", "digest", "created", "by", "labels", ""});
    for (const Generation& one : generations) {
      table.add({std::to_string(one.number), short_digest(one.digest), one.created, one.by,
                 joined(one.labels), one.is_active ? "active" : ""});
    }
    table.print(out);
    out << "\nhistory, newest first\n";
    for (const store::HistoryEntry& entry : history) {
      out << "  " << entry.time << "  " << name_of(entry.action) << " generation "
          << entry.generation << "  " << entry.by << (entry.why.empty() ? "" : ": ") << entry.why
          << (entry.took_effect ? "" : "  (never took effect: the process died)") << '\n';
    }
  });
  return kExitSuccess;
}

int print_active(const Options& options, const Context& context, const ActiveVersion& active) {
  const Json json = {{"name", options.name},
                     {"generation", active.generation},
                     {"digest", active.digest.text()},
                     {"sequence", active.sequence}};
  print(context, json, [&](std::ostream& out) {
    out << options.name << ": generation " << active.generation << " is active  "
        << active.digest.text() << '\n';
  });
  return kExitSuccess;
}

constexpr std::chrono::milliseconds kAdminTimeout{10'000};

/// What the running server saw of the version that is to be activated, beside the active one.
serve::ShadowReport report_on(const Options& options, const ModelStore& models) {
  const std::string wanted = models.resolve(options.name, options.version).digest.text();
  const auto active = models.active(options.name);
  const serve::Address admin = serve::parse_address(options.admin);
  const std::string token =
      options.token_file.empty() ? std::string() : token_in(options.token_file);
  for (const serve::ShadowReport& report :
       serve::fetch_shadow_reports(admin, options.name, kAdminTimeout, token)) {
    const bool is_beside_active = active && report.live.ends_with(" " + active->digest.text());
    if (report.shadow.ends_with(" " + wanted) && (is_beside_active || report.samples == 0))
      return report;
  }
  throw Error(ErrorCode::kNotFound, "the server at " + options.admin + " runs no shadow of '" +
                                        options.name +
                                        "' on that version; start it with --shadow " +
                                        options.name + "=" + options.version + ":0.1");
}

int activate(const Options& options, const Context& context) {
  if (options.gated) {
    const ModelStore models = ModelStore::open(options.store);
    Options gated = options;
    if (!options.p99.empty()) gated.gate.max_p99_ms = serve::parse_milliseconds(options.p99);
    const serve::GateVerdict verdict = judge(report_on(options, models), gated.gate);
    if (!verdict.passed) {
      const Json json = {{"name", options.name}, {"activated", false}, {"gate", verdict.why}};
      print(context, json, [&](std::ostream& out) {
        out << options.name << ": not activated: " << verdict.why << '\n';
      });
      return kExitThresholdFailed;
    }
    gated.author.why += (gated.author.why.empty() ? "gate: " : "; gate: ") + verdict.why;
    gated.gated = false;
    return activate(gated, context);
  }
  return print_active(
      options, context,
      ModelStore::open(options.store).activate(options.name, options.version, options.author));
}

int rollback(const Options& options, const Context& context) {
  return print_active(options, context,
                      ModelStore::open(options.store).rollback(options.name, options.author));
}

int label(const Options& options, const Context& context) {
  ModelStore models = ModelStore::open(options.store);
  const bool removes = options.remove_label;
  if (!removes && options.version.empty())
    throw Error(ErrorCode::kInvalidArgument, "VERSION is missing (or --remove)");
  if (removes)
    models.remove_label(options.name, options.label);
  else
    models.set_label(options.name, options.label, options.version);
  Json json = {{"name", options.name}, {"label", options.label}, {"generation", nullptr}};
  if (!removes) json["generation"] = models.resolve(options.name, options.label).number;
  print(context, json, [&](std::ostream& out) {
    out << options.name << ": label " << options.label
        << (removes ? " removed" : " -> generation " + json["generation"].dump()) << '\n';
  });
  return kExitSuccess;
}

int verify(const Options& options, const Context& context) {
  const store::VerifyReport report = ModelStore::open(options.store).verify();
  print(context, to_json(report), [&](std::ostream& out) {
    out << report.versions << " versions, " << report.blobs << " blobs, "
        << human_bytes(report.bytes) << ": "
        << (report.damages.empty() ? "all intact"
                                   : std::to_string(report.damages.size()) + " damaged")
        << '\n';
    for (const store::Damage& damage : report.damages)
      out << "  [" << damage.code << "] " << damage.path << ": " << damage.text << '\n';
  });
  return report.damages.empty() ? kExitSuccess : kExitThresholdFailed;
}

int gc(const Options& options, const Context& context) {
  const store::GcReport report = ModelStore::open(options.store).gc(options.gc);
  print(context, to_json(report), [&](std::ostream& out) {
    out << (options.gc.dry_run ? "would remove " : "removed ") << report.removed_blobs << " blobs, "
        << human_bytes(report.removed_bytes);
    if (!report.forgotten.empty()) out << "; forgot " << joined(report.forgotten);
    out << '\n';
  });
  return kExitSuccess;
}

int export_version(const Options& options, const Context& context) {
  ModelStore::open(options.store).export_layout(options.name, options.version, options.layout);
  print(context, Json{{"layout", options.layout.string()}}, [&](std::ostream& out) {
    out << options.name << " " << options.version
        << " as OCI image layout: " << options.layout.string() << '\n';
  });
  return kExitSuccess;
}

int import_version(const Options& options, const Context& context) {
  const auto results =
      ModelStore::create(options.store).import_layout(options.layout, options.name, options.author);
  Json json = Json::array();
  for (const store::PutResult& one : results) json.push_back(to_json(one.generation));
  print(context, json, [&](std::ostream& out) {
    for (const store::PutResult& one : results)
      out << options.name << " generation " << one.generation.number << "  "
          << one.generation.digest.text() << '\n';
  });
  return kExitSuccess;
}

using Action = int (*)(const Options&, const Context&);

/// Declares one subcommand; `options` outlives the parse.
class Declarer {
 public:
  Declarer(CLI::App& app, std::shared_ptr<Options> options, std::shared_ptr<Action> chosen)
      : app_(app), options_(std::move(options)), chosen_(std::move(chosen)) {}

  CLI::App& add(const char* name, const char* summary, Action action) {
    CLI::App* sub = app_.add_subcommand(name, summary);
    sub->fallthrough();  // --store and --json may stand behind it
    sub->callback([chosen = chosen_, action] { *chosen = action; });
    return *sub;
  }
  void name(CLI::App& sub) { sub.add_option("NAME", options_->name, "The model")->required(); }
  void version(CLI::App& sub) {
    sub.add_option("VERSION", options_->version,
                   "A generation, a label, or a digest or a prefix of one that is unique")
        ->required();
  }
  void author(CLI::App& sub) {
    sub.add_option("--why", options_->author.why, "Why, for the history");
    sub.add_option("--by", options_->author.by, "Who, for the history (default: user@host)");
  }

 private:
  CLI::App& app_;
  std::shared_ptr<Options> options_;
  std::shared_ptr<Action> chosen_;
};

void declare_put(Declarer& declare, Options& options) {
  CLI::App& sub = declare.add("put", "Store a model as a version", put);
  sub.add_option("FILE", options.files.model, "An ONNX file, or a folder that `auto` wrote")
      ->required();
  sub.add_option("--name", options.name, "The model's name")->required();
  sub.add_option("--label", options.label, "A label for the version, such as canary");
  sub.add_option("--preprocess", options.files.preprocess,
                 "Preprocessing it is served with: imagenet, tf, none, or a JSON file");
  sub.add_option("--classes", options.files.classes, "Names of the classes, one a line");
  sub.add_option("--calibration", options.files.calibration, "The ranges it was made with");
  sub.add_option("--report", options.files.report, "The report.json it comes from");
  sub.add_option("--threads", options.files.threads, "Threads of one inference")
      ->check(CLI::Range(1, 1024));
  sub.add_flag("--activate", options.activate, "Make it active (the first of a name always is)");
  declare.author(sub);
}

void declare_gate(CLI::App& sub, Options& options) {
  auto* agreement =
      sub.add_option_function<double>(
             "--if-agreement",
             [&options](double share) {
               options.gated = true;
               options.gate.min_agreement = share;
             },
             "Only if the running server's shadow of the version gives the same first class in at "
             "least this share (lower end of the 95 % interval); else exit status 1")
          ->check(CLI::Range(0.0, 1.0));
  sub.add_option("--min-samples", options.gate.min_samples, "And only on at least so many samples")
      ->needs(agreement)
      ->capture_default_str();
  sub.add_option("--p99", options.p99,
                 "And only if the p99 of its runs is at most this, as in 12ms")
      ->needs(agreement);
  sub.add_option("--admin", options.admin, "Admin port of the running server")
      ->needs(agreement)
      ->capture_default_str();
  sub.add_option("--admin-token-file", options.token_file,
                 "A file whose first line is the admin port's token")
      ->needs(agreement);
}

Run declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  auto chosen = std::make_shared<Action>(nullptr);
  app.add_option("--store", options->store, "The store's folder")->required();
  app.require_subcommand(1);
  Declarer declarer(app, options, chosen);
  declare_put(declarer, *options);
  declarer.add("list", "Models, and which version of each is active", list);
  declarer.name(declarer.add("show", "Versions and history of one model", show));

  CLI::App& to_activate =
      declarer.add("activate", "Make a version the one that is served", activate);
  declarer.name(to_activate);
  declarer.version(to_activate);
  declarer.author(to_activate);
  declare_gate(to_activate, *options);

  CLI::App& back =
      declarer.add("rollback", "Bring back the version that was active before", rollback);
  declarer.name(back);
  declarer.author(back);

  CLI::App& named = declarer.add("label", "Point a label at a version", label);
  declarer.name(named);
  named.add_option("LABEL", options->label, "The label")->required();
  auto* target = named.add_option("VERSION", options->version, "The version that it names");
  named.add_flag("--remove", options->remove_label, "Remove the label")->excludes(target);

  declarer.add("verify", "Read everything and name all that is damaged", verify);

  CLI::App& sweep = declarer.add("gc", "Remove what nothing refers to", gc);
  sweep
      .add_option("--keep", options->gc.keep,
                  "Forget all but so many newest versions of a name (0: forget none); what is "
                  "active, labelled or can be rolled back to stays")
      ->capture_default_str();
  sweep.add_flag("--dry-run", options->gc.dry_run, "Say what would go, remove nothing");

  CLI::App& out = declarer.add("export", "Write a version as an OCI image layout", export_version);
  declarer.name(out);
  declarer.version(out);
  out.add_option("-o,--output", options->layout, "An empty folder, or none yet")->required();

  CLI::App& in = declarer.add("import", "Put the versions of an OCI image layout", import_version);
  in.add_option("LAYOUT", options->layout, "The layout's folder")->required();
  in.add_option("--name", options->name, "The model's name")->required();
  declarer.author(in);

  return [options, chosen](const Context& context) { return (*chosen)(*options, context); };
}

}  // namespace

Command store_command() {
  return {"store", "Versions by digest: put, list, show, activate, rollback, label, verify, gc",
          declare};
}

}  // namespace planish::cli
