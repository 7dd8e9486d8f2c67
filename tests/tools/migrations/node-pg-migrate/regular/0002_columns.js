exports.up = (pgm) => {
  pgm.addColumns("accounts", { nickname: { type: "text" }, plan: { type: "text", notNull: true, default: "free" } });
};
