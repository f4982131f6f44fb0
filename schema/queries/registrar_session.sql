-- Be told when campaigns change.
LISTEN tyrattribution_campaigns
