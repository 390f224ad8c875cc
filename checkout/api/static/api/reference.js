// The reference of the API: Swagger UI, which reads the OpenAPI document, with a search over everything that an
// operation takes and answers. Its own filter looks at tags only.
"use strict";

const page = document.getElementById("reference");

function search() {
  const texts = new Map();

  // The text of a part of the document, with the texts of the schemas that it refers to.
  function textOf(part, schemas, seen) {
    const own = JSON.stringify(part);
    const names = [...own.matchAll(/#\/components\/schemas\/(\w+)/g)].map(([, name]) => name);
    const others = names.filter((name) => !seen.has(name)).map((name) => {
      seen.add(name);
      return textOf(schemas[name], schemas, seen);
    });
    return [own, ...others].join(" ");
  }

  // Problems are the same everywhere, so of them only the codes count, which the descriptions have.
  function searchable(operation, schemas) {
    const { responses, ...rest } = operation.get("operation").toJS();
    const answers = Object.entries(responses).map(([status, { description, content }]) =>
      status < "4" ? { description, content } : { description },
    );
    const part = { path: operation.get("path"), ...rest, answers };
    return textOf(part, schemas, new Set()).toLowerCase();
  }

  return {
    components: { FilterContainer, authorizeOperationBtn: nothing },
    fn: {
      opsFilter(tagged, phrase) {
        const schemas = system.specSelectors.specJson().getIn(["components", "schemas"]).toJS();
        const words = phrase.toLowerCase().split(/\s+/).filter(Boolean);
        const fits = (operation) => {
          const id = operation.get("id");
          if (!texts.has(id)) texts.set(id, searchable(operation, schemas));
          return words.every((word) => texts.get(id).includes(word));
        };
        return tagged
          .map((tag) => tag.update("operations", (operations) => operations.filter(fits)))
          .filter((tag) => tag.get("operations").size > 0);
      },
    },
  };
}

function nothing() {
  return null;
}

function FilterContainer({ layoutActions, layoutSelectors }) {
  const element = system.React.createElement;
  const phrase = layoutSelectors.currentFilter();
  return element(
    "div",
    { className: "reference-search", role: "search" },
    element("label", { htmlFor: "search" }, "Search"),
    element("input", {
      id: "search",
      type: "search",
      value: typeof phrase === "string" ? phrase : "",
      placeholder: "refund, effective_expires_at, quota_exceeded …",
      onChange: (event) => layoutActions.updateFilter(event.target.value || true),
    }),
  );
}

const wanted = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", wanted.matches);
wanted.addEventListener("change", follow);
follow();

const ui = SwaggerUIBundle({
  url: page.dataset.document,
  domNode: page,
  deepLinking: true,
  defaultModelExpandDepth: 2,
  defaultModelRendering: "model",
  defaultModelsExpandDepth: 0,
  docExpansion: "list",
  filter: true,
  plugins: [search],
  supportedSubmitMethods: [], // requests are made by programs that have a key
});
const system = ui.getSystem();
