"""The only credentials that the simulator takes. A live one, pasted by mistake, is refused."""

KYIVSTAR_CLIENT_ID = "sim_client"
KYIVSTAR_CLIENT_SECRET = "sim_client_secret"
KYIVSTAR_MOCK_CLIENT_ID = "sim_mock_client"
KYIVSTAR_MOCK_CLIENT_SECRET = "sim_mock_client_secret"
KETCHUP_API_KEY = "sim_ketchup_api_key"
FMC_TOKEN = "sim_" + "0" * 60  # 64 characters, as the vendor's
SUNSIM_AUTHORIZATION_TOKEN = "sim_sunsim_authorization_token"
NOVACONNECT_TOKEN = "sim_novaconnect_admin_token"
NOVACONNECT_USER_TOKEN = "sim_novaconnect_user_token"
