// Listens, and begins to refresh: when all of the script is read.

followTheme();
for (const button of document.querySelectorAll(".ranges button")) {
  button.addEventListener("click", () => rangeChosen(Number(button.dataset.hours)));
}
rangeChosen(back);
new ResizeObserver(() => {
  if (latest) hoursDrawn(latest.hours);
  if (campaign) plotsDrawn(campaign);
}).observe($("#hours"));
setInterval(renewTimes, 1000);
document.querySelectorAll("#campaigns .pages button").forEach((button, at) => button.addEventListener("click", () => pageTurned(at ? 1 : -1)));
$("#campaign .close").addEventListener("click", () => campaignChosen(chosen));
keepRefreshing();
keepCampaignsRefreshed();
